'use strict';
// What compressed bytes come to, by node's zlib used in another way than ws uses it: on all
// the bytes of a message at once.
const zlib = require('zlib');

const TAIL = Buffer.from([0, 0, 0xff, 0xff]); // RFC 7692 7.2.2
const MARKER = Buffer.from([0x01, 0x01, 0x00, 0xfe, 0xff, 0x58]); // a last block: "X"

function inflate(bytes, context, bits) {
  const how = { info: true, windowBits: bits, finishFlush: zlib.constants.Z_SYNC_FLUSH };
  if (context.length > 0) how.dictionary = context;
  const { buffer, engine } = zlib.inflateRawSync(bytes, how);
  return { data: buffer, taken: engine.bytesWritten };
}

// All that the bytes give; null if they are no deflate data. A block may say that it is the
// last: then another stream begins.
function unpack(bytes, { context, bits }) {
  const given = [];
  try {
    for (let rest = bytes, window = context; rest.length > 0; window = Buffer.alloc(0)) {
      const { data, taken } = inflate(rest, window, bits);
      given.push(data);
      rest = rest.subarray(taken);
    }
  } catch {
    return null;
  }
  return Buffer.concat(given);
}

// Whether one of the blocks says that it is the last of its stream.
function hasLastBlock(bytes, { context, bits }) {
  try {
    return inflate(Buffer.concat([bytes, TAIL, MARKER]), context, bits).taken
      < bytes.length + TAIL.length + MARKER.length || endsWithLastBlock(bytes, { context, bits });
  } catch {
    return false;
  }
}

// Whether its blocks end with it, and the last of them says so: of whatever follows nothing is
// taken any more.
function endsWithLastBlock(bytes, { context, bits }) {
  try {
    for (let rest = bytes, window = context; ; window = Buffer.alloc(0)) {
      const { taken } = inflate(Buffer.concat([rest, Buffer.from([0])]), window, bits);
      if (taken >= rest.length) return taken === rest.length;
      rest = rest.subarray(taken);
    }
  } catch {
    return false;
  }
}

// Whether a message may end here: with a last block, or so that behind it and the tail that is
// left out another block can begin.
function isWhole(bytes, terms) {
  const data = unpack(bytes, terms);
  if (data === null || bytes.length === 0) return data !== null;
  if (endsWithLastBlock(bytes, terms)) return true;
  const more = unpack(Buffer.concat([bytes, TAIL, MARKER]), terms);
  return more !== null && more.equals(Buffer.concat([data, Buffer.from('X')]));
}

module.exports = { hasLastBlock, isWhole, unpack };
