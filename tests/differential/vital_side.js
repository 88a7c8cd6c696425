'use strict';
// What vital's engine makes of a stream: through feed.c.
const { spawn } = require('child_process');

class Vital {
  constructor(program) {
    this.child = spawn(program, [], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.waiting = []; // who asked, in their order
    this.held = [];
    this.heldBytes = 0;
    this.needed = 4;
    this.child.stdout.on('data', (data) => this.take(data));
    this.child.on('exit', (status, signal) => {
      if (this.waiting.length > 0 || status !== 0) {
        console.error(`feed ended with ${signal ?? status}; ${this.waiting.length} cases wait`);
        process.exit(2);
      }
    });
  }

  // Resolves to an outcome as that of ws_side.js.
  read(one) {
    const head = Buffer.alloc(4 + 3 + 4 + 4 + 4 * one.pieces.length);
    head.writeUInt32LE(head.length - 4 + one.stream.length, 0);
    head[4] = one.server ? 1 : 0;
    head[5] = one.deflate ? one.deflate.bits : 0;
    head[6] = one.deflate && one.deflate.keeps ? 1 : 0;
    head.writeUInt32LE(one.limit, 7);
    head.writeUInt32LE(one.pieces.length, 11);
    one.pieces.forEach((size, i) => head.writeUInt32LE(size, 15 + 4 * i));
    this.child.stdin.write(head);
    this.child.stdin.write(one.stream);
    return new Promise((resolve) => { this.waiting.push(resolve); });
  }

  take(data) {
    this.held.push(data);
    this.heldBytes += data.length;
    while (this.heldBytes >= this.needed) {
      const all = this.held.length === 1 ? this.held[0] : Buffer.concat(this.held);
      const size = all.readUInt32LE(0);
      this.held = [all];
      this.needed = 4 + size;
      if (all.length < this.needed) return;
      this.waiting.shift()(outcome(all.subarray(4, 4 + size)));
      this.held = [all.subarray(4 + size)];
      this.heldBytes = this.held[0].length;
      this.needed = 4;
    }
  }

  end() {
    this.child.stdin.end();
  }
}

function outcome(data) {
  const out = { records: [], end: null, violation: false, piece: 0, verdict: '', closed: null };
  for (let at = 0; at < data.length;) {
    const type = String.fromCharCode(data[at]);
    const piece = data.readUInt32LE(at + 1);
    const size = data.readUInt32LE(at + 5);
    const bytes = data.subarray(at + 9, at + 9 + size);
    at += 9 + size;
    if (type === 'C') {
      out.closed = bytes.length === 0 ? 1005 : bytes.readUInt16BE(0);
      out.piece = piece;
    } else if (type === 'V') {
      out.verdict = bytes.toString();
      const [, cause, code, reason] = /^(\w+) (\d+) (.*)$/s.exec(out.verdict);
      out.violation = cause === 'MISBEHAVED' || cause === 'OVERFLOW';
      if (cause !== 'CUT') out.end = [Number(code), reason];
    } else {
      out.records.push([type, piece, bytes]);
    }
  }
  return out;
}

module.exports = { Vital };
