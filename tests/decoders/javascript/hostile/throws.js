// thrown: an ordinary mistake
function decodeUplink(input) {
  return { data: { t: input.nothing.here } };
}
