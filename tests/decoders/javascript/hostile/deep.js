// output: nested more than a reader can hold
function decodeUplink(input) {
  var data = [];
  for (var i = 0; i < 1200; i++) data = [data];
  return { data: { data: data } };
}
