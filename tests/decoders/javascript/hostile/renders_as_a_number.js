// nonsense: every object is a number when it is rendered
Object.prototype.toJSON = () => 1;
function decodeUplink(input) {
  return { data: { a: 1 } };
}
