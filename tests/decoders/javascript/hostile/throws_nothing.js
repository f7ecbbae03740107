// thrown: not even an error
function decodeUplink(input) {
  throw undefined;
}
