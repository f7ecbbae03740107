// output: a megabyte of text
function decodeUplink(input) {
  return { data: { text: "x".repeat(1 << 20) } };
}
