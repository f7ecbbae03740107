// killed: another one
function decodeUplink(input) {
  return { data: { list: new Array(4294967295).sort() } };
}
