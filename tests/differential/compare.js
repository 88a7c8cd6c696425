'use strict';
// Null, or in words how two outcomes differ.

function show([type, piece, bytes]) {
  return `${type} in piece ${piece}: ${bytes.subarray(0, 40).toString('hex')}`;
}

function endOf({ end, violation }) {
  if (end === null) return 'no end';
  return violation ? `failed with ${end[0]}` : `closed with ${end[0]} ${end[1]}`;
}

function difference(ours, theirs) {
  const count = Math.max(ours.records.length, theirs.records.length);
  for (let i = 0; i < count; i++) {
    const a = ours.records[i];
    const b = theirs.records[i];
    if (!a) return `only ws has ${show(b)}; ${endOf(ours)}`;
    if (!b) return `only vital has ${show(a)}; ws: ${endOf(theirs)}`;
    if (a[0] !== b[0] || a[1] !== b[1] || !a[2].equals(b[2])) {
      return `vital has ${show(a)}, ws has ${show(b)}`;
    }
  }
  const [a, b] = [endOf(ours), endOf(theirs)];
  if (a !== b) return `vital ${a} (${ours.verdict}), ws ${b} (${theirs.end?.[1] ?? ''})`;
  if (ours.end !== null && ours.piece !== theirs.piece) {
    return `vital ${a} in piece ${ours.piece}, ws in piece ${theirs.piece}`;
  }
  return null;
}

module.exports = { difference };
