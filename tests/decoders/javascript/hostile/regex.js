// time: an expression that tries every way
function decodeUplink(input) {
  return { data: { matches: /^(a+)+$/.test("a".repeat(60) + "b") } };
}
