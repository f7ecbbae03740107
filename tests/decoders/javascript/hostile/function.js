// nonsense: a function for an object
function decodeUplink(input) {
  return { data: decodeUplink };
}
