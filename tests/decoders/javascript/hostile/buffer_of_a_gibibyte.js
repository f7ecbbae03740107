// memory: more than there is, at once
function decodeUplink(input) {
  return { data: { length: new Uint8Array(1 << 30).length } };
}
