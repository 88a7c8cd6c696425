/**
 * The adapter for Node over real sockets: against npm's ws that only echoes,
 * against servers that refuse and misbehave, and against `vital serve`.
 * Nothing here waits for luck: each step waits for its event.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { Vital } from '../src/node.js';
import type { Verdict } from '../src/node.js';

const LIMIT = { timeout: 30_000 };

const next = (vital: Vital, type: string): Promise<any> =>
  new Promise((resolve) => vital.addEventListener(type, resolve, { once: true }));
const portOf = (server: any): number => server.address().port;

async function listening<T extends { listen(port: number, host: string): any }>(server: T): Promise<T> {
  server.listen(0, '127.0.0.1');
  await once(server as any, 'listening');
  return server;
}

async function echo(options: object = {}): Promise<WebSocketServer> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...options });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.on('error', () => {});
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  return server;
}

/** The first verdict on a server that is no good. */
async function verdictOn(url: string, options = {}): Promise<Verdict> {
  const vital = new Vital(url, [], options);
  const { verdict } = await next(vital, 'verdict');
  vital.close();
  return verdict;
}

test('over ws it is a WebSocket: text and binary come back, the beat is hidden', LIMIT, async () => {
  const server = await echo({ handleProtocols: () => 'chat' });
  const vital = new Vital(`ws://127.0.0.1:${portOf(server)}/`, ['chat'], { heartbeat: { interval: '20ms' } });
  vital.send('before it was open');
  const messages: any[] = [];
  vital.onmessage = ({ data }) => messages.push(data);
  await next(vital, 'open');
  assert.equal(vital.protocol, 'chat');
  const { rttMs } = await next(vital, 'beat');
  assert.ok(rttMs >= 0 && rttMs < 10_000);
  vital.send(new Uint8Array([1, 2, 3]));
  while (messages.length < 2) await next(vital, 'message');
  assert.equal(messages[0], 'before it was open');
  assert.deepEqual([...new Uint8Array(messages[1])], [1, 2, 3]);
  vital.close(1000, 'done');
  const { code, reason, wasClean, verdict } = await next(vital, 'close');
  assert.deepEqual([code, reason, wasClean, verdict.cause], [1000, 'done', true, 'CLOSED_BY_US']);
  server.close();
});

test('a server that dies is a cut, and when it is back so is the connection, with what was kept', LIMIT, async () => {
  const server = await echo();
  const port = portOf(server);
  const vital = new Vital(`ws://127.0.0.1:${port}/`, [], { reconnect: { first: '50ms', min: '20ms', max: '50ms' } });
  await next(vital, 'open');
  for (const socket of server.clients) socket.terminate();
  server.close();
  const { verdict } = await next(vital, 'verdict');
  assert.deepEqual([verdict.cause, verdict.final], ['CUT', false]);
  vital.send('kept');
  const again = await next(vital, 'verdict');
  assert.equal(again.verdict.cause, 'UNREACHABLE');
  assert.match(again.verdict.text, /^No connection could be made: .*ECONNREFUSED/);
  const second = await echo({ port });
  assert.equal((await next(vital, 'message')).data, 'kept');
  vital.close();
  await next(vital, 'close');
  second.close();
});

test('who is refused hears by which status, and when to return', LIMIT, async () => {
  const answers: [number, object][] = [[503, { 'Retry-After': '7' }], [401, {}], [429, {}]];
  for (const [status, headers] of answers) {
    const server = await listening(createServer());
    server.on('upgrade', (_request, socket) => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
      socket.end(`HTTP/1.1 ${status} No\r\n${lines}Content-Length: 0\r\n\r\n`);
    });
    const verdict = await verdictOn(`ws://127.0.0.1:${portOf(server)}/`);
    assert.deepEqual([verdict.cause, verdict.status, verdict.final], ['REJECTED', status, status === 401]);
    assert.equal(verdict.text, `The server answered ${status} No instead of upgrading.`);
    if (status === 503) assert.ok(verdict.retryMs >= 7000 && verdict.retryMs <= 8750, String(verdict.retryMs));
    if (status === 429) assert.ok(verdict.retryMs >= 30_000 && verdict.retryMs <= 120_000);
    server.close();
  }
});

test('a Retry-After may be a date', LIMIT, async () => {
  const server = await listening(createServer());
  server.on('upgrade', (_request, socket) => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    socket.end(`HTTP/1.1 503 Busy\r\nRetry-After: ${date}\r\nContent-Length: 0\r\n\r\n`);
  });
  const { retryMs } = await verdictOn(`ws://127.0.0.1:${portOf(server)}/`);
  assert.ok(retryMs > 50_000 && retryMs <= 76_000, String(retryMs));
  server.close();
});

test('who breaks the protocol is said to', LIMIT, async () => {
  const server = await echo();
  server.on('connection', (_socket, request) => request.socket.write(Buffer.from([0x83, 0x00])));
  const verdict = await verdictOn(`ws://127.0.0.1:${portOf(server)}/`);
  assert.equal(verdict.cause, 'MISBEHAVED');
  assert.equal(verdict.text, 'The peer broke the protocol: invalid opcode 3.');
  assert.equal(verdict.final, false);
  server.close();
  server.clients.forEach((socket) => socket.terminate());
});

test('a certificate that nobody here trusts is UNTRUSTED, and final', LIMIT, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'vital-js-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
    key, '-out', cert, '-subj', '/CN=localhost', '-days', '1'], { stdio: 'ignore' });
  const web = await listening(createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }));
  const server = new WebSocketServer({ server: web });
  const verdict = await verdictOn(`wss://127.0.0.1:${portOf(web)}/`);
  assert.deepEqual([verdict.cause, verdict.final], ['UNTRUSTED', true]);
  assert.match(verdict.text, /^TLS established no trust: .*self-signed certificate/);
  const vital = new Vital(`wss://127.0.0.1:${portOf(web)}/`, [], { connect: { rejectUnauthorized: false } });
  await next(vital, 'open');
  vital.close();
  await next(vital, 'close');
  server.close();
  web.close();
  rmSync(folder, { recursive: true });
});

test('more for ws is passed on: headers', LIMIT, async () => {
  const server = await echo();
  const connected = once(server, 'connection');
  const vital = new Vital(`ws://127.0.0.1:${portOf(server)}/`, [], { connect: { headers: { 'x-token': 'secret' } } });
  const [, request] = (await connected) as any;
  assert.equal(request.headers['x-token'], 'secret');
  vital.close();
  await next(vital, 'close');
  server.close();
});

test('a server that takes the connection and says nothing is given up in time', LIMIT, async () => {
  const sockets: any[] = [];
  const server = await listening(createTcpServer((socket) => sockets.push(socket.on('error', () => {}))));
  const verdict = await verdictOn(`ws://127.0.0.1:${portOf(server)}/`, { reconnect: { openWithin: '100ms' } });
  assert.equal(verdict.text, 'No connection could be made: no answer in time.');
  server.close();
  sockets.forEach((socket) => socket.destroy());
});

const command = process.env.VITAL || '../build/vital';

test('with `vital serve`: beats, a frozen server is doubted, left and found again', LIMIT, async (t) => {
  assert.ok(existsSync(command), `${command} is not built: make build`);
  const server = spawn(command, ['serve', '--listen=127.0.0.1:0', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => server.kill('SIGKILL'));
  let url = '';
  for await (const line of createInterface(server.stdout!)) {
    const found = /ws:\/\/127\.0\.0\.1:\d+\//.exec(line);
    if (found) {
      url = found[0];
      break;
    }
  }
  const vital = new Vital(url, [], {
    heartbeat: { interval: '100ms', answerWithin: '1s' },
    reconnect: { first: '50ms', min: '50ms', max: '100ms', openWithin: '500ms' },
  });
  await next(vital, 'open');
  await next(vital, 'beat');
  vital.send('hello');
  assert.equal((await next(vital, 'message')).data, 'hello');

  server.kill('SIGSTOP');
  assert.equal((await next(vital, 'health')).health, 'doubtful');
  vital.send('held in doubt');
  const { verdict } = await next(vital, 'verdict');
  assert.deepEqual([verdict.cause, verdict.unsent, verdict.final], ['SILENT', 1, false]);
  assert.match(verdict.text, /^No answer to our heartbeat message for 1(\.\d)? s, and nothing else was heard/);

  server.kill('SIGCONT');
  assert.equal((await next(vital, 'message')).data, 'held in doubt');
  vital.close();
  const { code } = await next(vital, 'close');
  assert.equal(code, 1005);
});
