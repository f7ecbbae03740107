// time: the object itself takes its time
function decodeUplink(input) {
  return { data: { get temperature() { for (;;) {} } } };
}
