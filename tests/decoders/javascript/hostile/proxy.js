// thrown: an object that refuses
function decodeUplink(input) {
  return new Proxy({}, { get() { throw new TypeError("no"); } });
}
