// nonsense: a list for an object
function decodeUplink(input) {
  return { data: [1, 2, 3] };
}
