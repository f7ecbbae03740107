// time: a loop without an end
function decodeUplink(input) {
  for (;;) {}
}
