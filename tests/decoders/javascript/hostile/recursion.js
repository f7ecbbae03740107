// thrown: deeper and deeper
function decodeUplink(input) {
  return decodeUplink(input);
}
