// What stands in a context before a vendor's codec: `__khaen.load(source)` and `__khaen.run(…)`.
// The codec's source is the body of a function that is called anew for each frame, so whatever it
// declares is fresh; what the language itself brings is frozen once the source has run; what it
// leaves in the global object is swept away. No frame can therefore see another.
(function () {
  "use strict";
  const world = globalThis;
  const { ownKeys, deleteProperty, construct, defineProperty } = Reflect;
  const { freeze, getOwnPropertyNames, getOwnPropertyDescriptor, getPrototypeOf } = Object;
  const { stringify, parse } = JSON;
  const { isArray } = Array;
  const RealDate = Date;
  const text = String;
  const compile = Function;
  const { InternalError } = world;
  const cut = String.prototype.slice.call.bind(String.prototype.slice);
  const MOST_WORDS = 32;
  const LONGEST_WORD = 300;
  const ENTRIES = ["decodeUplink", "Decoder", "Decode"];

  // Time stands still at the frame's reception; chance is the same for the same frame.
  let now = 0;
  let seed = 1;
  function FrozenDate(...parts) {
    if (new.target === undefined) return new RealDate(now).toString();
    return construct(RealDate, parts.length ? parts : [now], new.target);
  }
  FrozenDate.prototype = RealDate.prototype;
  FrozenDate.prototype.constructor = FrozenDate;
  FrozenDate.now = () => now;
  FrozenDate.parse = RealDate.parse;
  FrozenDate.UTC = RealDate.UTC;
  defineProperty(FrozenDate, "name", { value: "Date" });
  defineProperty(world, "Date", { value: FrozenDate });
  // xorshift32 (G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003).
  Math.random = () => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0) / 4294967296;
  };

  const silent = () => undefined;
  const console = {};
  for (const name of ["assert", "debug", "dir", "error", "info", "log", "table", "trace", "warn"])
    console[name] = silent;
  defineProperty(world, "console", { value: console, configurable: true });
  // A clock, what blocks a thread, what depends on the collector's mood, a queue nobody empties.
  for (const name of [
    "performance", "Atomics", "SharedArrayBuffer", "WeakRef", "FinalizationRegistry",
    "queueMicrotask",
  ])
    delete world[name];
  // JSON has no integers of this size: exact ones become numbers, larger ones stay in words.
  BigInt.prototype.toJSON = function () {
    const number = Number(this);
    return Number.isSafeInteger(number) ? number : text(this);
  };

  // Polyfills are defined anew with each call: what is frozen by then keeps the first of them.
  const frozen = new Set();
  const define = Object.defineProperty;
  Object.defineProperty = (target, key, descriptor) =>
    frozen.has(target) ? target : define(target, key, descriptor);

  function keep(thing) {
    freeze(thing);
    frozen.add(thing);
  }

  // An object may have a toString or a message of its own although its prototype is frozen.
  function allow_own(prototype) {
    for (const name of getOwnPropertyNames(prototype)) {
      const found = getOwnPropertyDescriptor(prototype, name);
      if (!found.configurable || !("value" in found)) continue;
      const { value, enumerable } = found;
      defineProperty(prototype, name, {
        get: () => value,
        set(own) {
          if (this === prototype || this === undefined || this === null) return;
          defineProperty(this, name, {
            value: own, writable: true, enumerable: true, configurable: true,
          });
        },
        enumerable,
        configurable: false,
      });
    }
  }

  function freeze_all(names) {
    allow_own(Object.prototype);
    allow_own(Error.prototype);
    for (const name of names) {
      const thing = world[name];
      const kind = typeof thing;
      if ((kind !== "function" && kind !== "object") || thing === null || thing === world) continue;
      keep(thing);
      if (kind === "function" && thing.prototype) keep(thing.prototype);
      const found = getOwnPropertyDescriptor(world, name);
      if (found.configurable)
        defineProperty(world, name, { value: thing, writable: false, configurable: false });
    }
    freeze(getPrototypeOf(Int8Array));
    freeze(getPrototypeOf(Int8Array).prototype);
    freeze(getPrototypeOf(getPrototypeOf([].values())));
    freeze(getPrototypeOf(function* () {}));
  }

  let codec;
  let exporting = false;
  let hiding = false;
  let kept;

  function entries() {
    if (exporting) {
      world.exports = {};
      world.module = { exports: world.exports };
    }
    const found = codec.call(world);
    if (exporting) {
      const exported = world.module.exports;
      if (exported !== null && typeof exported === "object")
        for (let i = 0; i < ENTRIES.length; i++)
          if (found[i] === undefined && typeof exported[ENTRIES[i]] === "function")
            found[i] = exported[ENTRIES[i]];
    }
    return found;
  }

  // What a codec leaves can be enumerated, unlike what was there before; unless it hid it.
  function sweep() {
    for (const name in world) deleteProperty(world, name);
    if (!hiding) return;
    const names = ownKeys(world);
    for (let i = 0; i < names.length; i++)
      if (!kept.has(names[i])) deleteProperty(world, names[i]);
  }

  // Compiles the source and runs it once. True where it can serve frame after frame; a codec that
  // cannot (in strict mode, it changes what is frozen) needs a context of its own, `alone`, for
  // each, and nothing is frozen there.
  function load(source, alone) {
    const names = ownKeys(world);
    exporting = /\bexports\b/.test(source);
    const find = ENTRIES.map((name) => `typeof ${name} === "function" ? ${name} : undefined`);
    codec = compile(`${source}\n;return [${find.join(", ")}];`);
    hiding = /defineProp|Reflect|Symbol/.test(source);
    kept = new Set(names);
    const found = entries();
    if (found.every((entry) => entry === undefined))
      throw new TypeError(`it defines none of ${ENTRIES.join(", ")}`);
    sweep();
    if (alone) return false;
    freeze_all(names);
    try {
      entries();
      return true;
    } catch {
      return false;
    } finally {
      sweep();
    }
  }

  function words(given) {
    if (given === undefined || given === null) return [];
    const list = isArray(given) ? given : [given];
    const found = [];
    for (let i = 0; i < list.length && i < MOST_WORDS; i++) {
      const word = list[i];
      const said = word !== null && typeof word === "object" ? stringify(word) : text(word);
      found[i] = cut(said, 0, LONGEST_WORD);
    }
    return found;
  }

  function describe(thrown) {
    try {
      return cut(text(thrown), 0, LONGEST_WORD);
    } catch {
      return "it threw what cannot be told";
    }
  }

  function kind_of(value) {
    if (value === null) return "null";
    if (isArray(value)) return "an array";
    return typeof value === "undefined" ? "nothing" : `a ${typeof value}`;
  }

  function refuse(reason) {
    return stringify({ errors: [reason], fault: "nonsense" });
  }

  function render(result, wrapped) {
    if (result === null || typeof result !== "object" || isArray(result))
      return refuse(`it returned ${kind_of(result)}`);
    if (typeof result.then === "function") return refuse("it returned a promise");
    const errors = wrapped ? words(result.errors) : [];
    const warnings = wrapped ? words(result.warnings) : [];
    const data = wrapped ? result.data : result;
    if (data === null || typeof data !== "object" || isArray(data)) {
      if (!errors.length) return refuse(`its data is ${kind_of(data)}`);
      return stringify({ errors, warnings });
    }
    return stringify({ data, errors, warnings });
  }

  // `payload` has a character per byte. What is thrown is told; what stops the engine is not
  // caught here. The answer is JSON: data, errors, warnings, fault.
  function run(payload, fPort, at, chance, variables) {
    now = at;
    seed = chance | 0 || 1;
    const bytes = [];
    for (let i = 0; i < payload.length; i++) bytes[i] = payload.charCodeAt(i);
    const known = variables === "" ? {} : parse(variables);
    try {
      const found = entries();
      const decodeUplink = found[0];
      const decoder = found[1];
      const decode = found[2];
      if (decodeUplink !== undefined)
        return render(
          decodeUplink({ bytes, fPort, recvTime: new RealDate(at), variables: known }), true,
        );
      if (decoder !== undefined) return render(decoder(bytes, fPort), false);
      return render(decode(fPort, bytes, known), false);
    } catch (thrown) {
      if (thrown instanceof InternalError) throw thrown;
      return stringify({ errors: [describe(thrown)], fault: "thrown" });
    } finally {
      sweep();
    }
  }

  world.__khaen = { load, run };
})();
