// A pendant of our own invention, in the manner of older codecs.
var KINDS = ["idle", "pressed", "double", "fall", "fall over"];

function Decoder(bytes, port) {
  decoded = { battery: (bytes[1] & 0x7f) + "%", charging: (bytes[1] & 0x80) !== 0 };
  decoded.state = KINDS[bytes[0]] || bytes[0];
  decoded.presses = bytes[2];
  decoded.force = bytes[3] / 10;
  return decoded;
}
