/** The adapters of uni-app and WeChat, as built, without a DOM in sight. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Vital as VitalType } from '../src/weixin.js';
import { FakeMini, timeOf } from './mini_host.js';
import { listen, World } from './world.js';

const made: VitalType[] = [];
afterEach(() => made.splice(0).forEach((vital) => vital.close()));

type Class = new (url: any, protocols?: any, options?: any) => VitalType;

/** What a mini-program does not have; its adapters are loaded in this state. */
const DOM = ['EventTarget', 'Event', 'DOMException', 'TextEncoder', 'WebSocket', 'performance'];

async function load(name: string): Promise<Class> {
  const was = DOM.map((key) => [key, Object.getOwnPropertyDescriptor(globalThis, key)] as const);
  for (const key of DOM) Object.defineProperty(globalThis, key, { value: undefined, configurable: true, writable: true });
  try {
    return (await import(pathToFileURL(`dist/${name}.js`).href)).Vital;
  } finally {
    for (const [key, own] of was) if (own) Object.defineProperty(globalThis, key, own);
  }
}

const classes = { uni: await load('uni'), wx: await load('weixin') };

function begin(kind: 'uni' | 'wx', options: any = {}, most?: number) {
  const world = new World();
  const mini = new FakeMini(kind, most);
  Object.assign(globalThis, { [kind]: mini });
  const make = (): VitalType => {
    const vital = new classes[kind]('wss://test/', ['chat'], { host: timeOf(world), ...options });
    made.push(vital);
    return vital;
  };
  return { world, mini, make };
}

function opened(kind: 'uni' | 'wx', options?: any) {
  const all = begin(kind, options);
  const heard = listen(all.make() as any);
  all.mini.task.accept({ 'Sec-WebSocket-Protocol': 'chat' });
  return { ...all, heard, vital: heard.vital };
}

for (const kind of ['uni', 'wx'] as const) {
  test(`${kind}: it opens, sends, receives, beats and closes over a SocketTask`, () => {
    const { world, mini, heard, vital } = opened(kind);
    assert.equal(vital.readyState, 1);
    assert.equal(vital.protocol, 'chat');
    assert.deepEqual(mini.task.options.protocols, ['chat']);
    vital.send('hello');
    mini.task.bring('hi');
    world.advance(25_000);
    assert.deepEqual(mini.task.sent, ['hello', 'heartbeat']);
    mini.task.bring('heartbeat');
    vital.close(1000, 'done');
    assert.deepEqual([mini.task.closedWith.code, mini.task.closedWith.reason], [1000, 'done']);
    mini.task.end(1000, 'done');
    assert.deepEqual(heard.log, ['open', 'message', 'doubtful', 'alive', 'beat', 'CLOSED_BY_US', 'close 1000']);
    assert.deepEqual([mini.shows.length, mini.hides.length, mini.networks.length], [0, 0, 0], 'nothing is left behind');
  });

  test(`${kind}: on a missed answer it leaves the old task and opens a new one`, () => {
    const { world, mini, heard } = opened(kind);
    world.advance(30_000);
    assert.deepEqual(heard.verdicts.map((v) => v.cause), ['SILENT']);
    assert.equal(mini.all.length, 2);
    assert.equal(mini.all[0]!.closedWith.code, 4408);
    mini.all[0]!.bring('too late');
    mini.all[0]!.end();
    mini.task.accept();
    assert.deepEqual(heard.log.slice(-1), ['open']);
    assert.deepEqual(heard.messages, []);
  });

  test(`${kind}: why a connection could not be made is in the verdict, in the host's words`, () => {
    const { mini, make } = begin(kind);
    const heard = listen(make() as any);
    mini.task.tell('error', { errMsg: 'connectSocket:fail url not in domain list' });
    assert.equal(heard.verdicts[0]!.text, 'No connection could be made: connectSocket:fail url not in domain list.');
    mini.task.end();
    assert.equal(heard.verdicts.length, 1, 'the close that follows on some hosts is not another loss');
  });

  test(`${kind}: an error of an open one is a cut`, () => {
    const { mini, heard } = opened(kind);
    mini.task.tell('error', { errMsg: 'interrupted' });
    assert.equal(heard.verdicts[0]!.cause, 'CUT');
    assert.match(heard.verdicts[0]!.text, /; interrupted\.$/);
  });

  test(`${kind}: a peer's close has its code; one without any is abnormal`, () => {
    const first = opened(kind);
    first.mini.task.end(1012, 'restart');
    assert.deepEqual([first.heard.verdicts[0]!.cause, first.heard.verdicts[0]!.code], ['CLOSED_BY_PEER', 1012]);
    const second = opened(kind);
    second.mini.task.tell('close', {});
    assert.deepEqual([second.heard.verdicts[0]!.cause, second.heard.verdicts[0]!.code], ['CUT', 1006]);
  });

  test(`${kind}: views are sent as the buffers that the host takes`, () => {
    const { mini, vital } = opened(kind);
    vital.send(new Uint8Array([0, 1, 2, 3]).subarray(1, 3));
    vital.send(new Uint8Array([7]).buffer);
    assert.deepEqual(mini.task.sent.map((data) => [...new Uint8Array(data)]), [[1, 2], [7]]);
  });

  test(`${kind}: what the host could not send is reported, and the socket left`, () => {
    const { mini, vital, heard } = opened(kind);
    mini.task.sending = 'fail';
    vital.send('lost');
    assert.deepEqual([heard.verdicts[0]!.cause, heard.verdicts[0]!.unconfirmed], ['CUT', 1]);
    assert.ok(mini.all[0]!.closedWith);
  });

  test(`${kind}: bufferedAmount is what the host has not said to have sent`, () => {
    const { mini, vital } = opened(kind);
    mini.task.sending = 'stuck';
    vital.send('心跳');
    assert.equal(vital.bufferedAmount, 6);
  });

  test(`${kind}: the network's coming and going is heeded`, () => {
    const { world, mini, vital, heard } = opened(kind);
    mini.network(false);
    assert.equal(world.timers, 0);
    mini.task.end();
    assert.equal(heard.verdicts[0]!.retryMs, Infinity);
    world.advance(60_000);
    mini.network(true);
    assert.equal(mini.all.length, 2);
    vital.close();
  });

  test(`${kind}: in the background nothing is judged, and on return it is asked at once`, () => {
    const { world, mini, heard } = opened(kind);
    mini.hide();
    world.stall(60_000); // the script stands still
    world.now += 60_000;
    mini.show();
    assert.deepEqual(mini.task.sent, ['heartbeat']);
    mini.task.bring('heartbeat');
    assert.deepEqual(heard.verdicts, []);
  });

  test(`${kind}: what was cut in the background is back at once`, () => {
    const { world, mini, heard } = opened(kind);
    mini.hide();
    world.now += 300_000;
    mini.task.end();
    mini.show();
    assert.deepEqual(heard.verdicts.map((v) => v.cause), ['CUT']);
    assert.equal(mini.all.length, 2);
  });

  test(`${kind}: more for connectSocket is passed on, and the url stays ours`, () => {
    const { mini, vital } = opened(kind, { connect: { header: { token: 'x' }, url: 'wss://elsewhere/' } });
    assert.deepEqual(mini.task.options.header, { token: 'x' });
    assert.equal(mini.task.options.url, 'wss://test/');
    vital.close();
  });

  test(`${kind}: a url that is none is an error of the constructor`, () => {
    begin(kind);
    for (const url of ['https://test/', '/chat', 'wss://test/#part']) {
      assert.throws(() => new classes[kind](url), { name: 'SyntaxError' }, url);
    }
  });

  test(`${kind}: without a DOM listeners, once, handlers and their errors are as with one`, (t) => {
    const { mini, make } = begin(kind);
    const vital = make();
    const calls: string[] = [];
    const errors: any[] = [];
    t.mock.method(globalThis, 'setTimeout', (run: () => void) => {
      try {
        run();
      } catch (error: any) {
        errors.push(error.message);
      }
    });
    vital.onopen = () => {
      throw new Error('mine');
    };
    const both = { handleEvent: (event: any) => calls.push(`object ${event.type} ${event.target === vital}`) };
    vital.addEventListener('open', both);
    vital.addEventListener('open', both);
    vital.addEventListener('open', null);
    vital.addEventListener('message', () => calls.push('once'), { once: true });
    const gone = (): number => calls.push('gone');
    vital.addEventListener('message', gone);
    vital.removeEventListener('message', gone);
    vital.onmessage = ({ data }) => calls.push(data);
    mini.task.accept();
    mini.task.bring('a');
    mini.task.bring('b');
    assert.deepEqual(calls, ['object open true', 'once', 'a', 'b']);
    assert.deepEqual(errors, ['mine']);
    assert.throws(() => vital.close(1), { name: 'InvalidAccessError' });
    vital.close();
    mini.task.end(1000);
  });
}

test('wx: a sixth socket is refused in words, and one that was closed makes room', () => {
  const { mini, make } = begin('wx', {}, 5);
  const vitals = Array.from({ length: 5 }, make);
  assert.throws(make, { name: 'QuotaExceededError', message: /5 sockets at a time, .*: close one first/ });
  assert.equal(mini.all.length, 5, 'the host is not even asked');
  vitals[0]!.close();
  const sixth = make();
  assert.equal(sixth.readyState, 0);
  for (const vital of [...vitals.slice(1), sixth]) vital.close();
});

test('wx: sockets that end by themselves make room too', () => {
  const { mini, make } = begin('wx', { reconnect: false });
  for (let i = 0; i < 12; i++) {
    make();
    mini.task.end();
  }
  assert.equal(mini.all.length, 12);
});

test('wx: where others hold the sockets, the host\'s refusal is the verdict', async () => {
  const { mini, make } = begin('wx', {}, 0);
  const heard = listen(make() as any);
  await Promise.resolve();
  assert.equal(heard.verdicts[0]!.text, 'No connection could be made: connectSocket:fail exceed max task count.');
  assert.equal(mini.all.length, 1);
  heard.vital.close();
});

test('uni: a callback is given, since without one it answers with a promise', () => {
  const { mini, make } = begin('uni');
  make();
  assert.equal(typeof mini.task.options.complete, 'function');
  assert.equal(mini.task.options.multiple, true, 'or Alipay would close the socket before');
});
