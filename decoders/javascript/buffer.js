// What codecs use of Node's Buffer (https://nodejs.org/api/buffer.html), for those that name it.
(function () {
  "use strict";
  const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

  function from_hex(text) {
    const found = [];
    for (let i = 0; i + 1 < text.length; i += 2) {
      const pair = text.slice(i, i + 2);
      if (!/^[0-9a-f]{2}$/i.test(pair)) break;
      found.push(parseInt(pair, 16));
    }
    return found;
  }

  function from_base64(text) {
    const found = [];
    let bits = 0;
    let held = 0;
    for (const letter of text.replace(/-/g, "+").replace(/_/g, "/")) {
      if (letter === "=") break;
      const value = BASE64.indexOf(letter);
      if (value < 0) continue;
      held = ((held << 6) | value) & 0xffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        found.push((held >> bits) & 0xff);
      }
    }
    return found;
  }

  function to_base64(bytes) {
    let text = "";
    for (let i = 0; i < bytes.length; i += 3) {
      const left = bytes.length - i;
      const word = (bytes[i] << 16) | ((bytes[i + 1] || 0) << 8) | (bytes[i + 2] || 0);
      text += BASE64[word >> 18] + BASE64[(word >> 12) & 63];
      text += left > 1 ? BASE64[(word >> 6) & 63] : "=";
      text += left > 2 ? BASE64[word & 63] : "=";
    }
    return text;
  }

  const from_utf8 = (text) => from_latin1(unescape(encodeURIComponent(text)));
  const from_latin1 = (text) => Array.from(text, (letter) => letter.charCodeAt(0) & 0xff);

  function to_utf8(bytes) {
    const text = to_latin1(bytes);
    try {
      return decodeURIComponent(escape(text));
    } catch {
      return text.replace(/[^\x00-\x7f]/g, "\ufffd");
    }
  }

  const to_latin1 = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const to_hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const to_ascii = (bytes) => to_latin1(bytes.map((byte) => byte & 0x7f));

  const READERS = {
    hex: from_hex, base64: from_base64, base64url: from_base64, utf8: from_utf8,
    "utf-8": from_utf8, ascii: from_latin1, latin1: from_latin1, binary: from_latin1,
  };
  const WRITERS = {
    hex: to_hex, base64: to_base64, utf8: to_utf8, "utf-8": to_utf8, ascii: to_ascii,
    latin1: to_latin1, binary: to_latin1,
  };

  function pick(table, encoding) {
    const found = table[String(encoding || "utf8").toLowerCase()];
    if (found === undefined) throw new TypeError(`Unknown encoding: ${encoding}`);
    return found;
  }

  class Buffer extends Uint8Array {
    static from(source, encoding, length) {
      if (typeof source === "string") return new Buffer(pick(READERS, encoding)(source));
      if (source instanceof ArrayBuffer) return new Buffer(source, encoding, length);
      return new Buffer(source.type === "Buffer" ? source.data : source);
    }

    static alloc(size, fill) {
      const made = new Buffer(size);
      return fill === undefined ? made : made.fill(fill);
    }

    static allocUnsafe(size) {
      return new Buffer(size);
    }

    static concat(list, length) {
      const made = [];
      for (const each of list) made.push(...each);
      const whole = new Buffer(length === undefined ? made.length : length);
      whole.set(made.slice(0, whole.length));
      return whole;
    }

    static isBuffer(thing) {
      return thing instanceof Buffer;
    }

    static byteLength(source, encoding) {
      return typeof source === "string" ? Buffer.from(source, encoding).length : source.byteLength;
    }

    slice(start, end) {
      return this.subarray(start, end);
    }

    toString(encoding, start, end) {
      return pick(WRITERS, encoding)(this.subarray(start, end));
    }

    toJSON() {
      return { type: "Buffer", data: Array.from(this) };
    }

    equals(other) {
      return this.length === other.length && this.every((byte, i) => byte === other[i]);
    }

    copy(target, at = 0, start = 0, end = this.length) {
      const piece = this.subarray(start, Math.min(end, start + target.length - at));
      target.set(piece, at);
      return piece.length;
    }

    write(text, at = 0, length = this.length - at, encoding = "utf8") {
      const bytes = pick(READERS, encoding)(text).slice(0, length);
      this.set(bytes, at);
      return bytes.length;
    }
  }

  function check(buffer, at, size) {
    if (at < 0 || at + size > buffer.length)
      throw new RangeError(`The value of "offset" is out of range: ${at}`);
  }

  const view = (buffer) => new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);

  function define(name, method) {
    const both = name.includes("UInt") ? [name, name.replace("UInt", "Uint")] : [name];
    for (const each of both)
      Object.defineProperty(Buffer.prototype, each, {
        value: method, writable: true, configurable: true,
      });
  }

  function define_fixed(kind, get, size) {
    for (const [ending, little] of size === 1 ? [["", true]] : [["LE", true], ["BE", false]]) {
      define(`read${kind}${ending}`, function (at = 0) {
        check(this, at, size);
        return view(this)[`get${get}`](at, little);
      });
      define(`write${kind}${ending}`, function (value, at = 0) {
        check(this, at, size);
        view(this)[`set${get}`](at, value, little);
        return at + size;
      });
    }
  }

  for (const [kind, get, size] of [
    ["UInt8", "Uint8", 1], ["Int8", "Int8", 1], ["UInt16", "Uint16", 2], ["Int16", "Int16", 2],
    ["UInt32", "Uint32", 4], ["Int32", "Int32", 4], ["Float", "Float32", 4],
    ["Double", "Float64", 8], ["BigUInt64", "BigUint64", 8], ["BigInt64", "BigInt64", 8],
  ])
    define_fixed(kind, get, size);

  // Integers of 1 to 6 bytes.
  function define_sized(ending, place) {
    define(`readUInt${ending}`, function (at, size) {
      check(this, at, size);
      let value = 0;
      for (let i = 0; i < size; i++) value = value * 256 + this[at + place(i, size)];
      return value;
    });
    define(`readInt${ending}`, function (at, size) {
      const value = this[`readUInt${ending}`](at, size);
      return value >= 2 ** (8 * size - 1) ? value - 2 ** (8 * size) : value;
    });
    define(`writeUInt${ending}`, function (value, at, size) {
      check(this, at, size);
      for (let i = size - 1; i >= 0; i--) {
        this[at + place(i, size)] = value % 256;
        value = Math.floor(value / 256);
      }
      return at + size;
    });
    define(`writeInt${ending}`, function (value, at, size) {
      const unsigned = value < 0 ? value + 2 ** (8 * size) : value;
      return this[`writeUInt${ending}`](unsigned, at, size);
    });
  }
  define_sized("BE", (i) => i);
  define_sized("LE", (i, size) => size - 1 - i);

  Object.defineProperty(globalThis, "Buffer", { value: Buffer, configurable: true });
})();
