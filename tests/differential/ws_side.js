'use strict';
// What npm's `ws` makes of a stream: its Receiver, fed as its own sockets feed it.
const path = require('path');

const lib = path.join(__dirname, '..', 'interop', 'node_modules', 'ws', 'lib');
const Receiver = require(path.join(lib, 'receiver.js'));
const PerMessageDeflate = require(path.join(lib, 'permessage-deflate.js'));
const { kStatusCode } = require(path.join(lib, 'constants.js'));

const WINDOW = 32768; // of deflate

Error.stackTraceLimit = 0; // errors are outcomes here, and traces their greatest cost

// The outcome: { records: [[type, piece, bytes]], end: null or [code, reason], piece }, as
// vital_side.js has it. `end` is null while nothing is wrong and no close frame has come.
class Reading {
  constructor(one, { everyPing = false } = {}) {
    this.records = [];
    this.end = null;
    this.violation = false;
    this.piece = 0;
    this.ping = null; // the latest of this piece
    // Of the latest compressed message: its frames, what they gave, whether it is over, and
    // what the window remembered before it.
    this.packed = [];
    this.given = [];
    this.over = true;
    this.context = Buffer.alloc(0);
    this.whole = []; // all that are over: { packed, context }
    this.deflate = one.deflate ? this.makeDeflate(one) : null;
    this.receiver = new Receiver({
      isServer: one.server,
      maxPayload: one.limit,
      extensions: this.deflate ? { [PerMessageDeflate.extensionName]: this.deflate } : {},
    });
    this.receiver.on('message', (data, binary) => this.note(binary ? 'B' : 'T', data));
    this.receiver.on('ping', (data) => {
      if (everyPing) this.note('P', data);
      else this.ping = data;
    });
    this.receiver.on('pong', (data) => this.note('O', data));
    this.receiver.on('conclude', (code, reason) => { this.end = [code, reason]; });
  }

  // Notes what comes by, for known.js.
  makeDeflate({ server, limit, deflate }) {
    const made = new PerMessageDeflate({ isServer: server, maxPayload: limit });
    const sender = server ? 'client' : 'server';
    made.params = { [`${sender}_max_window_bits`]: deflate.bits };
    if (!deflate.keeps) made.params[`${sender}_no_context_takeover`] = true;
    this.keeps = deflate.keeps;
    const decompress = made.decompress.bind(made);
    made.decompress = (data, fin, done) => {
      if (this.over) {
        this.context = this.window();
        this.packed = [];
        this.given = [];
      }
      this.over = fin;
      this.packed.push(Buffer.from(data));
      if (fin) this.whole.push({ packed: Buffer.concat(this.packed), context: this.context });
      decompress(data, fin, (error, result) => {
        if (result) this.given.push(result);
        done(error, result);
      });
    };
    return made;
  }

  // What it remembers of the latest message and those before.
  window() {
    if (!this.keeps) return Buffer.alloc(0);
    return Buffer.concat([this.context, ...this.given]).subarray(-WINDOW);
  }

  // What the case has cost; its outcome stays.
  finish() {
    if (this.deflate) this.deflate.cleanup();
  }

  note(type, bytes) {
    this.records.push([type, this.piece, bytes]);
  }

  // Calls done() when the piece has been read. What Writable adds is a queue, which
  // would only make it slow.
  give(bytes, done) {
    this.receiver._write(Buffer.from(bytes), 'buffer', (error) => {
      if (error) {
        this.end = [error[kStatusCode], error.message];
        this.violation = true;
      }
      if (this.ping !== null) this.note('P', this.ping);
      this.ping = null;
      done();
    });
  }
}

// Calls done(reading) at the end of the stream, or when the rest does not matter.
function readAll(one, done) {
  const reading = new Reading(one);
  let at = 0;
  const step = () => {
    let waiting = false;
    while (reading.piece < one.pieces.length && reading.end === null) {
      const size = one.pieces[reading.piece];
      let now = true; // mostly it calls back at once
      waiting = true;
      reading.give(one.stream.subarray(at, at + size), () => {
        waiting = false;
        if (reading.end === null) reading.piece++;
        if (!now) step();
      });
      now = false;
      at += size;
      if (waiting) return;
    }
    reading.finish();
    done(reading);
  };
  step();
}

module.exports = { readAll, Reading };
