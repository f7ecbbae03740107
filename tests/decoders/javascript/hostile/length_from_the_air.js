// time: a count of four bytes, believed
function Decoder(bytes, port) {
  var sum = 0;
  for (var i = 0; i < 0xffffffff; i++) sum += bytes[i % bytes.length];
  return { sum: sum };
}
