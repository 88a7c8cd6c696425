import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { closeWords } from '../src/shared.js';
import { invitation, retryWindow } from '../src/verdict.js';
import type { Cause, Verdict } from '../src/verdict.js';
import { describe, inWords } from '../src/words.js';

// The rows of C's own table, by which every code is checked.
const def = readFileSync('../src/life/retry_table.def', 'utf8').replace(/\/\*[^]*?\*\//g, '');
const rows = [...def.matchAll(/RETRY\((\w+), (\d+), (\d+), (\w+), (\d+), (\d+)\)/g)].map(
  ([, cause, from, to, policy, low, high]) => ({ cause, from: +from!, to: +to!, policy, low: +low!, high: +high! }),
);
const causes: Cause[] =
  ['CLOSED_BY_PEER', 'UNREACHABLE', 'UNTRUSTED', 'REJECTED', 'SILENT', 'CUT', 'MISBEHAVED'];

test('for every cause and every code the C table is followed', () => {
  assert.ok(rows.length > 20);
  for (const cause of causes) {
    const codes = cause === 'CLOSED_BY_PEER' ? [1000, 4999] : cause === 'REJECTED' ? [100, 599] : [1006, 1006];
    for (let code = codes[0]!; code <= codes[1]!; code++) {
      const row = rows.find((r) => r.cause === cause && (r.to === 0 || (r.from <= code && code <= r.to)))!;
      const expected = row.policy === 'STOP' ? [-1, undefined] : [row.low / 1000, row.high / 1000];
      assert.deepEqual(retryWindow(cause, code), expected, `${cause} ${code}`);
    }
  }
});

test('where the server said when to return, that and up to a quarter more is waited, for at most an hour', () => {
  assert.deepEqual(retryWindow('REJECTED', 503, 20), [20, 25]);
  assert.deepEqual(retryWindow('REJECTED', 429, 0), [0, 0]);
  assert.deepEqual(retryWindow('REJECTED', 503, 86_400), [3600, 4500]);
  assert.deepEqual(retryWindow('REJECTED', 500, 20), [0, 0], 'it counts only where the table says so');
  assert.deepEqual(retryWindow('REJECTED', 404, 20), [-1, undefined]);
});

test('after 1001, 1012 and 1013 a close reason may name the window', () => {
  const reason = 'restarting; retry in 7-9 s';
  for (const code of [1001, 1012, 1013]) {
    assert.deepEqual(retryWindow('CLOSED_BY_PEER', code, undefined, reason), [7, 9], `${code}`);
  }
  assert.deepEqual(retryWindow('CLOSED_BY_PEER', 1000, undefined, reason), [-1, undefined]);
  for (const code of [1005, 1011, 3000, 4408]) {
    assert.deepEqual(retryWindow('CLOSED_BY_PEER', code, undefined, reason), [0, 0], `${code}`);
  }
  assert.deepEqual(retryWindow('CLOSED_BY_PEER', 1012, undefined, 'retry in 9-7 s'), [5, 30]);
});

// The tables of the C library's test, so that both read the same.
test('an invitation is read as the C library reads it', () => {
  const c = readFileSync('../tests/unit/invitation_test.c', 'utf8');
  const between = (begin: string, end: string): string => c.slice(c.indexOf(begin), c.indexOf(end));
  const read = (reason: string): any => retryWindow('CLOSED_BY_PEER', 1001, -1, reason);
  const text = (literal: string): string =>
    Buffer.from(literal.replace(/"\s*"/g, '').replace(/\\x(..)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))).replace('\\n', '\n'), 'latin1').toString();
  const strings = (code: string): string[] => [...code.matchAll(/^ {8}("[^\n]*"),(?: *\/\*.*)?$/gm)].flatMap(
    ([, line]) => [...line!.matchAll(/"([^"]*)"/g)].map(([, it]) => text(it!)));

  const good = [...between('{"retry in 5-30 s", 5', 'for (size_t').matchAll(/\{"(.*)", (\d+), (\d+), (\d+)\}/g)];
  assert.equal(good.length, 9);
  for (const [, reason, from, to, bytes] of good) {
    const words = Buffer.from(text(reason!)).subarray(0, +bytes!).toString();
    assert.deepEqual(read(text(reason!)), [+from!, +to!], reason);
    assert.equal(text(reason!).replace(invitation, ''), words, reason);
  }
  const none = strings(between('static void what_differs', 'static void what_is_written'));
  assert.equal(none.length, 41);
  for (const reason of none) assert.deepEqual(read(reason), [0, 0], reason);
});

test('the words of close codes are the C library\'s', () => {
  const header = readFileSync('../src/websocket/close_code.h', 'utf8');
  for (const [code, words] of Object.entries(closeWords)) assert.ok(header.includes(`${code}, "${words}")`), code);
  assert.equal(closeWords[1012], 'service restart');
});

const verdict = (fields: Partial<Verdict>): Verdict => ({
  cause: 'CUT', code: 1006, reason: '', status: 0, text: '', openMs: 1, rttMs: -1, heardMs: 0, unsent: 0,
  unconfirmed: 0, final: false, retryMs: 0, ...fields,
});

test('each cause has its sentence', () => {
  const cases: [string, Partial<Verdict>, object?][] = [
    ['We closed the connection: 1000 normal closure.', { cause: 'CLOSED_BY_US', code: 1000 }],
    ['We closed the connection.', { cause: 'CLOSED_BY_US', code: 1005 }],
    ['We closed the connection; no answer in time.', { cause: 'CLOSED_BY_US', code: 1005 },
      { what: 'no answer in time' }],
    [
      'The peer closed the connection: 1012 service restart, "new version"; it asks us to come back in 5 to 30 s.',
      { cause: 'CLOSED_BY_PEER', code: 1012, reason: 'new version; retry in 5-30 s' },
    ],
    [
      'The peer closed the connection: 1012 service restart, "retry in 5-30 s".',
      { cause: 'CLOSED_BY_PEER', code: 1012, reason: 'retry in 5-30 s', final: true },
    ],
    ['The peer closed the connection: 1012 service restart.', { cause: 'CLOSED_BY_PEER', code: 1012 }],
    ['The peer closed the connection: 1001 going away, "deploy".',
      { cause: 'CLOSED_BY_PEER', code: 1001, reason: 'deploy' }],
    ['The peer closed the connection: 4408 no answer to the heartbeat.',
      { cause: 'CLOSED_BY_PEER', code: 4408, reason: 'no answer to the heartbeat' }],
    ['The peer closed the connection: 4000 an application\'s code.', { cause: 'CLOSED_BY_PEER', code: 4000 }],
    ['The peer closed the connection without a code.', { cause: 'CLOSED_BY_PEER', code: 1005 }],
    ['No connection could be made: a script is not told why.', { cause: 'UNREACHABLE' }],
    ['No connection could be made: no answer in time.', { cause: 'UNREACHABLE' }, { what: 'no answer in time' }],
    ['TLS established no trust: certificate has expired.', { cause: 'UNTRUSTED' }, { what: 'certificate has expired' }],
    ['The server answered 503 Service Unavailable instead of upgrading.', { cause: 'REJECTED', status: 503 },
      { what: 'Service Unavailable' }],
    ['The server answered 404 instead of upgrading.', { cause: 'REJECTED', status: 404 }],
    ['The peer broke the protocol: invalid opcode 3.', { cause: 'MISBEHAVED' }, { what: 'invalid opcode 3' }],
    ['No answer to our heartbeat message for 10 s, and nothing else was heard: the path or the peer is gone.',
      { cause: 'SILENT', beatsAnswered: 1 }, { _quietMs: 10_000 }],
    ['Our heartbeat message could not leave for 9.8 s, and nothing was heard: the path or the peer is gone.',
      { cause: 'SILENT' }, { _quietMs: 9800, _stuck: true }],
    ['No answer to our heartbeat message for 10 s, and nothing else was heard: the path or the peer is gone, or does ' +
      'not know this heartbeat, as it never answered one.', { cause: 'SILENT', beatsAnswered: 0 }, { _quietMs: 10_000 }],
    ['The connection ended without a close frame.', { heardMs: 40 }],
    ['The connection ended without a close frame after 12 s of silence.', { heardMs: 12_000 }],
    ['The connection ended without a close frame after 60.1 s of silence; nginx and AWS ALB close idle connections ' +
      'after 60 s.', { heardMs: 60_100 }],
    ['The connection ended without a close frame after 100 s of silence; Cloudflare closes idle connections after ' +
      '100 s.', { heardMs: 100_200 }],
  ];
  for (const [text, fields, known = {}] of cases) assert.equal(describe(verdict(fields), known), text);
});

test('a final verdict says what became of the messages', () => {
  const lost = { cause: 'UNREACHABLE', final: true } as const;
  const what = { what: 'no answer in time' };
  const tail = (fields: object): string => describe(verdict({ ...lost, ...fields }), what).split('time.')[1]!;
  assert.equal(tail({}), '');
  assert.equal(tail({ unsent: 1 }), ' 1 message was not sent.');
  assert.equal(tail({ unsent: 2, unconfirmed: 1 }),
    ' 2 messages were not sent, 1 message was sent without proof of arrival.');
  assert.equal(tail({ final: false, unsent: 2 }), '', 'they are sent later');
  const orderly = verdict({ cause: 'CLOSED_BY_US', code: 1000, final: true, unconfirmed: 3 });
  assert.equal(describe(orderly, {}), 'We closed the connection: 1000 normal closure.', 'that is the rule, and no news');
});

test('what is quoted cannot steer a terminal', () => {
  const reason = 'a\u001b[2Jb\nc\u202ed\u2066e\u0085f';
  const text = describe(verdict({ cause: 'CLOSED_BY_PEER', code: 4000, reason }), {});
  assert.equal(text, 'The peer closed the connection: 4000 an application\'s code, "a?[2Jb?c?d?e?f".');
});

test('times are as exact as a person needs them', () => {
  const cases: [number, string][] = [[40, '0 s'], [400, '0.4 s'], [9800, '9.8 s'], [10_000, '10 s'], [75_000, '75 s'],
    [240_400, '240 s'], [720_000, '12 min'], [18_000_000, '5 h']];
  for (const [ms, words] of cases) assert.equal(inWords(ms), words);
});
