// load: nothing to call
function decode_uplink(input) {
  return { data: {} };
}
