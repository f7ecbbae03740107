// nonsense: neither data nor errors
function decodeUplink(input) {
  return { warnings: ["hm"] };
}
