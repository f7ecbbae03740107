// nonsense: an object that is text when it is rendered
function decodeUplink(input) {
  return { data: { toJSON() { return "text"; } } };
}
