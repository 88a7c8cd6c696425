'use strict';
// Streams of frames: mostly what a good peer would send, and then broken in one
// of many ways. Everything comes from one number, so that a case is that number.

const zlib = require('zlib');

class Random {
  constructor(seed, number) {
    // splitmix32 over both, so that neighbours have nothing in common.
    this.state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca77)) >>> 0;
    for (let i = 0; i < 4; i++) this.next();
  }

  next() {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  }

  below(limit) {
    return Math.floor((this.next() / 0x100000000) * limit);
  }

  chance(percent) {
    return this.below(100) < percent;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  bytes(size) {
    const out = Buffer.allocUnsafe(size);
    for (let i = 0; i < size; i++) out[i] = this.next() & 0xff;
    return out;
  }
}

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

// ------------------------------------------------------------------- payloads

const SIZES = [0, 1, 2, 3, 5, 10, 60, 124, 125, 126, 127, 128, 200, 255, 256, 1000];
const LARGE = [4096, 16384, 65535, 65536, 65537, 70000];
const CHARACTERS = ['a', 'Z', ' ', '\u00e9', '\u07ff', '\u0800', '\u20ac', '\ud7ff', '\ue000',
  '\ufffd', '\uffff', '\u{10000}', '\u{1f600}', '\u{10ffff}', '\0', '\x7f'];
const BAD_TEXT = ['80', 'bf', 'c0af', 'c1bf', 'e080af', 'e09fbf', 'eda080', 'edbfbf', 'f08080af',
  'f08fbfbf', 'f4908080', 'f5808080', 'f888808080', 'fe', 'ff', 'c3', 'e2', 'e282', 'f09f98', 'c320',
  'e28220'].map((digits) => Buffer.from(digits, 'hex'));

function sizeOf(random) {
  if (random.chance(2)) return random.pick(LARGE);
  return random.chance(50) ? random.pick(SIZES) : random.below(40);
}

function words(random, size) {
  let text = '';
  const plain = random.chance(30);
  while (text.length < size) {
    text += plain ? String.fromCharCode(32 + random.below(95)) : random.pick(CHARACTERS);
  }
  return Buffer.from(text);
}

function control(random) {
  const payload = random.bytes(random.chance(20) ? random.pick([0, 1, 124, 125]) : random.below(20));
  return frame(random.chance(60) ? PING : PONG, payload);
}

const GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000,
  3999, 4000, 4999];
const BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 65535];

function closing(random, good) {
  if (good && random.chance(20)) return frame(CLOSE, Buffer.alloc(0));
  if (!good && random.chance(20)) return frame(CLOSE, random.bytes(1));
  const code = Buffer.allocUnsafe(2);
  code.writeUInt16BE(good || random.chance(40) ? random.pick(GOOD_CODES) : random.pick(BAD_CODES));
  let reason = words(random, random.below(20));
  if (random.chance(95)) reason = Buffer.from(reason.toString().replaceAll('\0', '0'));
  if (!good && random.chance(60)) reason = Buffer.concat([reason, random.pick(BAD_TEXT)]);
  return frame(CLOSE, Buffer.concat([code, reason]));
}

// --------------------------------------------------------------------- frames

function frame(opcode, payload, fin = true) {
  return { fin, rsv: 0, opcode, payload, masked: null, width: null, length: null };
}

function fragmented(random, kind, payload) {
  if (random.chance(60)) return [frame(kind, payload)];
  const frames = [];
  let at = 0;
  let opcode = kind;
  const count = 2 + random.below(random.chance(10) ? 20 : 4);
  for (let i = 0; i < count; i++) {
    const last = i === count - 1;
    const size = last ? payload.length - at : random.below(payload.length - at + 1);
    frames.push(frame(opcode, payload.subarray(at, at + size), last));
    while (!last && random.chance(20)) frames.push(control(random));
    at += size;
    opcode = CONTINUATION;
  }
  return frames;
}

// ---------------------------------------------------------------- compression

// Compresses as a sender does, with what it has sent before as a dictionary.
class Packer {
  constructor(deflate) {
    this.deflate = deflate;
    this.context = Buffer.alloc(0);
  }

  pack(random, payload) {
    const { bits, keeps } = this.deflate;
    const how = { windowBits: bits, level: random.pick([0, 1, 6, 9]) };
    if (keeps && this.context.length > 0) how.dictionary = this.context;
    if (keeps) this.context = Buffer.concat([this.context, payload]).subarray(-(1 << bits));
    how.finishFlush = zlib.constants.Z_SYNC_FLUSH;
    let out = zlib.deflateRawSync(payload, how);
    if (out.subarray(-4).equals(TAIL)) out = out.subarray(0, -4);
    if (random.chance(5)) out = this.spoil(random, out);
    return out.length === 0 ? Buffer.from([0]) : out;
  }

  spoil(random, packed) {
    const at = random.below(packed.length + 1);
    switch (random.below(3)) {
      case 0:
        return packed.subarray(0, at);
      case 1:
        return Buffer.concat([packed, random.bytes(1 + random.below(6))]);
      default:
        return Buffer.concat([packed.subarray(0, at), random.bytes(2), packed.subarray(at)]);
    }
  }
}

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);

function goodFrames(random, deflate) {
  const frames = [];
  const packer = deflate && new Packer(deflate);
  for (let count = 1 + random.below(5); count > 0; count--) {
    const kind = random.chance(65) ? TEXT : BINARY;
    const size = sizeOf(random);
    let payload = kind === TEXT ? words(random, size) : random.bytes(size);
    const compressed = packer && random.chance(70);
    if (compressed) {
      if (random.chance(5)) payload = Buffer.concat([payload, random.pick(BAD_TEXT), payload]);
      payload = packer.pack(random, payload);
    }
    const message = fragmented(random, kind, payload);
    if (compressed) message[0].rsv = 4;
    frames.push(...message);
    while (random.chance(25)) frames.push(control(random));
  }
  if (random.chance(40)) frames.push(closing(random, true));
  return frames;
}

// Adds its bytes to `out`.
function encode(random, each, masks, out) {
  const length = each.length === null ? BigInt(each.payload.length) : each.length;
  const width = each.width ?? (length < 126n ? 0 : length < 65536n ? 2 : 8);
  const masked = each.masked === null ? masks : each.masked;
  const head = [(each.fin ? 0x80 : 0) | (each.rsv << 4) | each.opcode,
    (masked ? 0x80 : 0) | (width === 0 ? Number(length) & 0x7f : width === 2 ? 126 : 127)];
  for (let i = width - 1; i >= 0; i--) head.push(Number((length >> BigInt(8 * i)) & 0xffn));
  out.push(Buffer.from(head));
  if (!masked) {
    out.push(each.payload);
    return;
  }
  const key = random.chance(5) ? Buffer.alloc(4) : random.bytes(4);
  const payload = Buffer.from(each.payload);
  for (let i = 0; i < payload.length; i++) payload[i] ^= key[i & 3];
  out.push(key, payload);
}

// ------------------------------------------------------------------ mutations

const HUGE = [0x7fffffffn, 0x80000000n, 0xffffffffn, 0x100000000n, (1n << 53n) - 1n, 1n << 53n,
  1n << 62n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];

// Each changes one frame of the list.
const ON_FRAMES = {
  'reserved bits': (random, frames, at) => { frames[at].rsv = 1 + random.below(7); },
  'another opcode': (random, frames, at) => { frames[at].opcode = random.below(16); },
  'final or not': (random, frames, at) => { frames[at].fin = !frames[at].fin; },
  'masked or not': (random, frames, at, masks) => { frames[at].masked = !masks; },
  'a longer form': (random, frames, at) => {
    frames[at].width = frames[at].payload.length < 126 && random.chance(50) ? 2 : 8;
  },
  'a huge length': (random, frames, at) => {
    frames[at].length = random.pick(HUGE);
    frames[at].width = 8;
  },
  'a wrong length': (random, frames, at) => {
    const length = frames[at].payload.length + random.below(9) - 4;
    frames[at].length = BigInt(Math.max(0, Math.min(65535, length)));
  },
  'bad text': (random, frames, at) => {
    const { payload } = frames[at];
    const place = random.below(payload.length + 1);
    frames[at].payload = Buffer.concat([payload.subarray(0, place), random.pick(BAD_TEXT),
      payload.subarray(place)]);
  },
  'a bad close': (random, frames, at) => { frames.splice(at, 0, closing(random, false)); },
  'a close': (random, frames, at) => { frames.splice(at, 0, closing(random, true)); },
  'a large control frame': (random, frames, at) => {
    frames.splice(at, 0, frame(random.pick([CLOSE, PING, PONG]), random.bytes(126 + random.below(9))));
  },
  'a continuation': (random, frames, at) => {
    frames.splice(at, 0, frame(CONTINUATION, random.bytes(random.below(5)), random.chance(50)));
  },
  'a message': (random, frames, at) => {
    frames.splice(at, 0, frame(random.pick([TEXT, BINARY]), words(random, 3), random.chance(50)));
  },
  'a frame less': (random, frames, at) => { if (frames.length > 1) frames.splice(at, 1); },
  'a frame twice': (random, frames, at) => { frames.splice(at, 0, { ...frames[at] }); },
};

// Each returns the stream anew.
const ON_BYTES = {
  'a bit': (random, stream) => { stream[random.below(stream.length)] ^= 1 << random.below(8); },
  'some bits': (random, stream) => {
    for (let i = 2 + random.below(4); i > 0; i--) {
      stream[random.below(stream.length)] ^= 1 << random.below(8);
    }
  },
  'a byte': (random, stream) => { stream[random.below(stream.length)] = random.next() & 0xff; },
  'an end': (random, stream) => stream.subarray(0, random.below(stream.length) + 1),
  'bytes less': (random, stream) => {
    const at = random.below(stream.length);
    return Buffer.concat([stream.subarray(0, at), stream.subarray(at + 1 + random.below(4))]);
  },
  'bytes more': (random, stream) => {
    const at = random.below(stream.length + 1);
    return Buffer.concat([stream.subarray(0, at), random.bytes(1 + random.below(4)),
      stream.subarray(at)]);
  },
  noise: (random, stream) => Buffer.concat([stream, random.bytes(1 + random.below(50))]),
};

function cut(random, size) {
  const way = random.below(10);
  if (size === 0) return [];
  if (way < 3) return [size];
  if (way < 5 && size <= 600) return new Array(size).fill(1);
  const pieces = [];
  const most = random.pick([3, 20, 200, 5000]);
  let left = size;
  while (left > 0 && pieces.length < 2000) {
    const piece = Math.min(left, 1 + random.below(most));
    pieces.push(piece);
    left -= piece;
  }
  if (left > 0) pieces.push(left);
  return pieces;
}

// { number, server, deflate, limit, stream, pieces, mutations }: `server` is the role of
// who reads the stream; `deflate` is null or what was agreed on for who writes it.
function makeCase(seed, number) {
  const random = new Random(seed, number);
  const server = random.chance(50);
  const deflate = random.chance(30)
    ? { bits: random.pick([9, 10, 12, 15, 15]), keeps: random.chance(50) } : null;
  const frames = goodFrames(random, deflate);
  const mutations = [];
  if (random.chance(50)) {
    for (let count = random.chance(80) ? 1 : 2; count > 0; count--) {
      const name = random.pick(Object.keys(ON_FRAMES));
      ON_FRAMES[name](random, frames, random.below(frames.length), server);
      mutations.push(name);
    }
  }
  const parts = [];
  for (const each of frames) encode(random, each, server, parts);
  let stream = Buffer.concat(parts);
  if (random.chance(25)) {
    const name = random.pick(Object.keys(ON_BYTES));
    stream = ON_BYTES[name](random, stream) ?? stream;
    mutations.push(name);
  }
  const limit = random.chance(15) ? 1 + random.below(300) : 100000;
  return { number, server, deflate, limit, stream, pieces: cut(random, stream.length), mutations };
}

module.exports = { makeCase, Random };
