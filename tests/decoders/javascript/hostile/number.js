// nonsense: no object
function decodeUplink(input) {
  return 42;
}
