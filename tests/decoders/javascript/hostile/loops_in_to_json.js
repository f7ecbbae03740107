// time: rendering the object never ends
function decodeUplink(input) {
  return { data: { t: { toJSON() { for (;;) {} } } } };
}
