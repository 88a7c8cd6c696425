'use strict';
// Where vital and ws differ, and are allowed to. Each difference is proved of each case
// that has it: the byte is sought by which vital has failed. Before it both must have
// told the same, and there what ws is about to do is looked at.
const { difference } = require('./compare.js');
const { Reading } = require('./ws_side.js');

const KNOWN = new Map([
  ['first bad byte of a text', 'vital fails at once (RFC 6455 8.1), ws at the end of the message'],
  ['length not in its shortest form', 'vital fails (RFC 6455 5.2), ws reads it'],
  ['length above 2^63', 'vital fails with 1002 at its first bit (RFC 6455 5.2), ws with 1009'],
  ['first byte of a frame', 'vital fails by it, ws by the second byte, whatever that is'],
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
  return reading;
}

async function failsWith(one, size, next, code) {
  const reading = await readingAfter(one, size);
  await new Promise((resolve) => { reading.give(Buffer.from(next), resolve); });
  return reading.violation && reading.end[0] === code;
}

// The bytes of the message that is under way, as far as they have come.
function textSoFar(receiver) {
  const parts = [...receiver._fragments];
  if (receiver._state === GET_DATA) {
    const frame = Buffer.concat(receiver._buffers);
    const mask = receiver._mask;
    if (mask) for (let i = 0; i < frame.length; i++) frame[i] ^= mask[i & 3];
    parts.push(frame);
  }
  return Buffer.concat(parts);
}

function mayBeText(bytes) {
  try {
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

// Vital has failed by the byte at `at`, and ws has not, or not for the same.
async function whySooner(one, at, code) {
  const before = (await readingAfter(one, at)).receiver;
  const state = before._state;
  const byte = one.stream[at];
  if (code === 1007) {
    const after = (await readingAfter(one, at + 1)).receiver;
    const text = textSoFar(after);
    const isText = after._fragmented === TEXT || after._opcode === TEXT;
    return isText && !mayBeText(text) && mayBeText(text.subarray(0, -1))
      ? 'first bad byte of a text' : null;
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
  if (!bytewise.violation || ourEnd > theirEnd) return null; // vital is never the later one
  return await sameBefore(one, ourEnd, bytewise) ? whySooner(one, ourEnd, bytewise.end[0]) : null;
}

module.exports = { KNOWN, explain };
