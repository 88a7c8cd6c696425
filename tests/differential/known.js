'use strict';
// Where vital and ws differ, and are allowed to. Each difference is proved of each case
// that has it: the byte is sought by which vital has failed. Before it both must have
// told the same, and there what ws is about to do is looked at.
const { difference } = require('./compare.js');
const { hasLastBlock, isWhole, unpack } = require('./packed.js');
const { Reading } = require('./ws_side.js');

const KNOWN = new Map([
  ['first bad byte of a text', 'vital fails at once (RFC 6455 8.1), ws at the end of the message'],
  ['length not in its shortest form', 'vital fails (RFC 6455 5.2), ws reads it'],
  ['length above 2^63', 'vital fails with 1002 at its first bit (RFC 6455 5.2), ws with 1009'],
  ['first byte of a frame', 'vital fails by it, ws by the second byte, whatever that is'],
  ['deflate data that are none', 'vital fails at once, ws at the end of their frame'],
  ['deflate data that are cut short', 'vital fails (RFC 7692 7.2.1), ws takes what they gave'],
  ['deflate data above the limit', 'vital fails as it inflates, ws at the end of their frame'],
  ['compressed bytes above the limit', 'ws counts these, vital what they inflate to'],
  ['after a last block', 'vital begins a stream (RFC 7692 7.2.3.4), ws may go on with the ended one'],
  ['after an empty message', 'vital takes no bytes for one, ws is left in the midst of a block'],
  ['NUL in a close reason', "vital's verdict is a C string, and ends there"],
]);

const GET_INFO = 0; // of ws's receiver.js
const GET_LENGTH_16 = 1;
const GET_LENGTH_64 = 2;
const GET_DATA = 4;
const TEXT = 1;

// Masked and not, with every form of length.
const SECOND_BYTES = [0, 1, 125, 126, 127, 0x80, 0x81, 0xfd, 0xfe, 0xff];

// What an outcome byte by byte comes to in larger pieces: pings of one piece are answered
// together.
function inPieces(outcome, pieces) {
  let current = 0;
  let passed = 0; // bytes before the current piece
  const pieceOf = (at) => {
    while (at >= passed + pieces[current]) passed += pieces[current++];
    return current;
  };
  const records = [];
  let ping = null;
  const put = (until) => {
    if (ping !== null && ping[1] < until) {
      records.push(ping);
      ping = null;
    }
  };
  for (const [type, at, bytes] of outcome.records) {
    const piece = pieceOf(at);
    put(piece);
    if (type === 'P') ping = ['P', piece, bytes];
    else records.push([type, piece, bytes]);
  }
  put(Infinity);
  return { ...outcome, records, piece: outcome.end === null ? 0 : pieceOf(outcome.piece) };
}

// What ws makes of so many bytes of the stream.
async function readingAfter(one, size) {
  const reading = new Reading(one, { everyPing: true });
  await new Promise((resolve) => { reading.give(one.stream.subarray(0, size), resolve); });
  reading.finish();
  return reading;
}

async function failsWith(one, size, next, code) {
  const stream = Buffer.concat([one.stream.subarray(0, size), Buffer.from(next)]);
  const reading = await readingAfter({ ...one, stream }, stream.length);
  return reading.violation && reading.end[0] === code;
}

// The bytes of the frame that is under way, as far as they have come.
function frameSoFar(receiver) {
  if (receiver._state !== GET_DATA) return Buffer.alloc(0);
  const frame = Buffer.concat(receiver._buffers);
  const mask = receiver._mask;
  if (mask) for (let i = 0; i < frame.length; i++) frame[i] ^= mask[i & 3];
  return frame;
}

function mayBeText(bytes) {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

// Why vital fails a message that is not compressed by its last byte so far.
function whyPlain(receiver, code) {
  const text = Buffer.concat([...receiver._fragments, frameSoFar(receiver)]);
  return code === 1007 && !mayBeText(text) && mayBeText(text.subarray(0, -1))
    ? 'first bad byte of a text' : null;
}

// And one that is.
function whyPacked(one, reading, code, isText) {
  const inFrame = reading.receiver._state === GET_DATA;
  const begins = inFrame && reading.over;
  const bytes = Buffer.concat([...(begins ? [] : reading.packed), frameSoFar(reading.receiver)]);
  const terms = { context: begins ? reading.window() : reading.context, bits: one.deflate.bits };
  const before = unpack(bytes.subarray(0, -1), terms);
  if (before === null || before.length > one.limit) return null;
  const now = unpack(bytes, terms);
  if (now === null) return code === 1007 ? 'deflate data that are none' : null;
  if (isText && !mayBeText(now.subarray(0, one.limit))) {
    return code === 1007 && mayBeText(before) ? 'first bad byte of a text' : null;
  }
  if (now.length > one.limit) return code === 1009 ? 'deflate data above the limit' : null;
  if (code !== 1007) return null;
  return !inFrame && reading.over && !isWhole(bytes, terms)
    ? 'deflate data that are cut short' : null;
}

// Vital has failed by the byte at `at`, and ws has not, or not for the same.
async function whySooner(one, at, code) {
  const before = (await readingAfter(one, at)).receiver;
  const state = before._state;
  const byte = one.stream[at];
  if (code === 1007 || code === 1009) {
    const after = await readingAfter(one, at + 1);
    const isText = (after.receiver._fragmented || after.receiver._opcode) === TEXT;
    if (after.receiver._compressed) return whyPacked(one, after, code, isText);
    return isText ? whyPlain(after.receiver, code) : null;
  }
  if (code !== 1002) return null;
  const held = Buffer.concat([...before._buffers, Buffer.from([byte])]);
  if (state === GET_INFO && held.length === 1) {
    for (const second of SECOND_BYTES) {
      if (!await failsWith(one, at + 1, [second], 1002)) return null;
    }
    return 'first byte of a frame';
  }
  if (state === GET_LENGTH_64 && held.length === 1 && byte >= 0x80) return 'length above 2^63';
  if (state === GET_LENGTH_16 && held.length === 2 && held.readUInt16BE(0) < 126
    || state === GET_LENGTH_64 && held.length === 8 && held.readBigUInt64BE(0) < 65536n) {
    return 'length not in its shortest form';
  }
  return null;
}

// ws has failed by the byte at `at`, and vital has not.
async function whyLater(one, at) {
  const { receiver, end } = await readingAfter(one, at + 1);
  return end[0] === 1009 && receiver._compressed && receiver._opcode < 8
    && receiver._totalPayloadLength > one.limit ? 'compressed bytes above the limit' : null;
}

// How many bytes it takes until ws comes to an end; Infinity if all are not enough.
async function bytesUntilEnd(one) {
  let most = one.stream.length;
  if ((await readingAfter(one, most)).end === null) return Infinity;
  for (let least = 0; most - least > 1;) {
    const middle = (least + most) >> 1;
    if ((await readingAfter(one, middle)).end === null) least = middle;
    else most = middle;
  }
  return most;
}

// Whether both had told the same before the byte at `at`.
async function sameBefore(one, at, ours) {
  const theirs = await readingAfter(one, at);
  const [a, b] = [ours.records.filter((record) => record[1] < at), theirs.records].map(
    (records) => ({ records: records.map(([type, , bytes]) => [type, 0, bytes]), end: null }));
  return difference(a, b) === null;
}

// What a whole message has done to ws, by the byte that makes the difference: it had a block
// marked as the last, or no bytes at all.
async function afterWhat(one, ours, ourEnd, theirEnd) {
  const theirs = await readingAfter(one, one.stream.length);
  const differs = ours.records.find(([type, , bytes], i) => {
    const other = theirs.records[i];
    return !other || other[0] !== type || !other[2].equals(bytes);
  });
  const at = Math.min(ourEnd, theirEnd, differs ? differs[1] : Infinity);
  const { whole } = await readingAfter(one, Math.min(at + 1, one.stream.length));
  const { bits, keeps } = one.deflate;
  if (whole.some(({ packed, context }) => hasLastBlock(packed, { context, bits }))) {
    return 'after a last block';
  }
  return keeps && whole.some(({ packed }) => packed.length === 0) ? 'after an empty message' : null;
}

// The name of what is known to differ; null if it is not known.
async function explain(vital, one, ours, theirs) {
  if (ours.end && theirs.end && !theirs.violation) {
    const cut = theirs.end[1].toString().split('\0')[0];
    if (difference(ours, { ...theirs, end: [theirs.end[0], cut] }) === null) {
      return 'NUL in a close reason';
    }
  }
  const slowly = { ...one, pieces: new Array(one.stream.length).fill(1) };
  const bytewise = await vital.read(slowly);
  if (difference(ours, inPieces(bytewise, one.pieces)) !== null) return null;
  const ourEnd = bytewise.end === null ? Infinity : bytewise.piece;
  const theirEnd = await bytesUntilEnd(one) - 1;
  const after = one.deflate ? await afterWhat(one, bytewise, ourEnd, theirEnd) : null;
  if (after !== null) return after;
  const at = Math.min(ourEnd, theirEnd);
  if (at === Infinity || !await sameBefore(one, at, bytewise)) return null;
  if (ourEnd > theirEnd) return whyLater(one, at);
  return bytewise.violation ? whySooner(one, at, bytewise.end[0]) : null;
}

module.exports = { KNOWN, explain };
