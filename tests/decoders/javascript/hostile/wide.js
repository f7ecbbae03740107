// output: a long list
function decodeUplink(input) {
  return { data: { list: new Array(50000).fill(1) } };
}
