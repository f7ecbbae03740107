// time: what it throws cannot be told
function decodeUplink(input) {
  throw { toString() { for (;;) {} } };
}
