// load: no JavaScript
function decodeUplink(input) {
  return { data: ;
}
