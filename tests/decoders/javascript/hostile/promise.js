// nonsense: an answer that never comes
async function decodeUplink(input) {
  return { data: { t: 1 } };
}
