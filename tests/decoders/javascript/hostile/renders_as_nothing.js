// nonsense: every object is nothing when it is rendered
Object.prototype.toJSON = () => undefined;
function decodeUplink(input) {
  return { data: { a: 1 } };
}
