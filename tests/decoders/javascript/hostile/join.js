// killed: a built-in function that looks at no clock
function decodeUplink(input) {
  return { data: { text: new Array(4294967295).join("") } };
}
