// load: a mistake before there is anything to call
const table = require("./table");
function decodeUplink(input) {
  return { data: table };
}
