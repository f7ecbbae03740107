// nonsense: no answer
function decodeUplink(input) {}
