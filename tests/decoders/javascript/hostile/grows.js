// memory: text upon text
function decodeUplink(input) {
  var held = [];
  for (var i = 0; ; i++) held.push(new Array(100000).fill(i));
}
