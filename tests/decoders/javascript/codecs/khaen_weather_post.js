// A weather post of our own invention, in the style of public codecs: tag, value, tag, value.
function decodeUplink(input) {
  if (input.fPort !== 7) return { errors: ["unknown port"] };
  const data = { firmware: "1.2", channels: [] };
  const warnings = [];
  const raw = Buffer.from(input.bytes);
  let at = 0;
  while (at < raw.length) {
    switch (raw.readUInt8(at++)) {
      case 1:
        data.temp = raw.readInt16BE(at) / 10;
        at += 2;
        break;
      case 2:
        data["rh %"] = raw.readUInt8(at++);
        break;
      case 3:
        data.pressurePa = raw.readUInt32BE(at);
        at += 4;
        break;
      case 4:
        data.board = `${raw.readInt8(at++)} °C`;
        break;
      case 5:
        data.channels.push({ id: raw.readUInt8(at), mm: raw.readUInt16BE(at + 1) });
        at += 3;
        break;
      case 6:
        data.door = raw.readUInt8(at++) ? "open" : "closed";
        break;
      case 7:
        data.at = raw.readUInt32BE(at);
        at += 4;
        break;
      default:
        warnings.push("unknown tag");
        at = raw.length;
    }
  }
  return { data, warnings };
}
