/**
 * A WebSocket that stays alive, knows when it is dead, says why, and comes back.
 *
 * `Vital` is the logical connection: it has one socket after another. This file
 * wires the small machines (heartbeat, backoff, queue, verdict) to the host's
 * sockets and timers, and decides nothing that they can decide.
 *
 *   CONNECTING  an attempt is under way; or it is away, and waits for the next
 *   OPEN        a socket is open
 *   CLOSING     close() was called
 *   CLOSED      the final verdict was given
 *
 * Names that begin with a line are private, and shortened by the build.
 */
import { nextDelay } from './backoff.js';
import {
  ABNORMAL,
  CLOSED,
  CLOSE_MS,
  CLOSING,
  CONNECTING,
  GOING_AWAY,
  LATE,
  LONGEST_REASON_BYTES,
  LONGEST_TIMER_MS,
  NO_ANSWER,
  NO_CODE,
  OPEN,
  WAKE_EVERY_MS,
} from './constants.js';
import type { Handler, VitalEventMap } from './events.js';
import { Heartbeat, LATE_MS, LOOK_AGAIN_MS } from './heartbeat.js';
import type { Health, Pulse } from './heartbeat.js';
import type { Host, PageEvent, SocketLike } from './host.js';
import { policyOf } from './options.js';
import type { Policy, VitalOptions } from './options.js';
import { exception, makeEvent, platformHost, Target } from './platform.js';
import { Queue, sizeOf } from './queue.js';
import type { Data } from './queue.js';
import { retryWindow } from './verdict.js';
import type { Cause, Circumstances, Verdict } from './verdict.js';

const states = { CONNECTING, OPEN, CLOSING, CLOSED } as const;

export type Address = string | URL | (() => string | URL | Promise<string | URL>);

interface Ending extends Circumstances {
  code?: number;
  reason?: string | undefined;
  status?: number;
  retryAfterS?: number;
  wasClean?: boolean;
  /** Only until the page is back. */
  sleep?: true;
}

export interface Vital {
  addEventListener<K extends keyof VitalEventMap>(
    type: K,
    listener: Handler<VitalEventMap[K]> | { handleEvent: Handler<VitalEventMap[K]> } | null,
    options?: any,
  ): void;
  addEventListener(type: string, listener: any, options?: any): void;
}

export class Vital extends Target {
  declare static readonly CONNECTING: 0;
  declare static readonly OPEN: 1;
  declare static readonly CLOSING: 2;
  declare static readonly CLOSED: 3;
  declare readonly CONNECTING: 0;
  declare readonly OPEN: 1;
  declare readonly CLOSING: 2;
  declare readonly CLOSED: 3;

  /** @internal What a verdict's `text` says. */
  static _words: (verdict: Verdict, known: Circumstances) => string = ({ cause }) => cause;

  onopen: Handler<VitalEventMap['open']> | null = null;
  onmessage: Handler<VitalEventMap['message']> | null = null;
  onerror: Handler<VitalEventMap['error']> | null = null;
  onclose: Handler<VitalEventMap['close']> | null = null;
  declare onhealth: Handler<VitalEventMap['health']> | null;
  declare onbeat: Handler<VitalEventMap['beat']> | null;
  declare onverdict: Handler<VitalEventMap['verdict']> | null;
  declare onreconnecting: Handler<VitalEventMap['reconnecting']> | null;

  // To be read only, these.
  readyState: 0 | 1 | 2 | 3 = CONNECTING;
  /** Of the present socket, or of the last one; so the next two. */
  url = '';
  protocol = '';
  extensions = '';
  /** The last one. */
  verdict: Verdict | null = null;

  private declare _address: Address;
  private declare _protocols: string | string[];
  private declare _policy: Policy;
  private declare _host: Host;
  private readonly _queue = new Queue();
  private declare _unwatch: () => void;
  private declare _binaryType: any;

  /** The attempt or the socket of now: what an older one still brings is nobody's. */
  private declare _ticket?: object | null;
  /** Also while it opens. */
  private declare _socket?: SocketLike | null;
  /** Only while it is open. */
  private declare _heart?: Heartbeat | null;
  private declare _openedAt: number;
  /** The socket's buffer, as last seen. */
  private _buffered = 0;
  /** Within an `open` listener: what it sends goes before what waits. */
  private declare _greeting: boolean;

  /** Messages given to sockets, and how many of them have been proven or reported. */
  private _given = 0;
  private _proven = 0;

  /** The last delay; below 0: none since it last proved stable. */
  private _delay = -1;
  /** Since it was last open. */
  private _attempts = 0;
  /** When it was last tried; or when the server wants it to be, which no page hastens. */
  private declare _attemptAt: number;
  /** When an attempt or a goodbye has taken too long, or the next attempt is due. */
  private declare _deadline: number;
  private declare _asleep: boolean;
  private declare _offline: boolean;
  /** What close() was given. */
  private _code = NO_CODE;

  private declare _timer: unknown;
  private _timerAt = Infinity;

  constructor(url: Address, protocols: string | string[] = [], options: VitalOptions = {}) {
    super();
    this._address = url;
    this._protocols = protocols;
    this._policy = policyOf(options);
    this._host = { ...platformHost(), ...options.host };
    this._attempt();
    this._unwatch = this._host.watch((what) => this._hear(what));
  }

  get binaryType(): BinaryType {
    return this._binaryType || this._socket?.binaryType || 'blob';
  }

  set binaryType(type: BinaryType) {
    this._binaryType = type;
    if (this._socket) this._socket.binaryType = type;
  }

  /** Bytes that have not left, here and in the socket. */
  get bufferedAmount(): number {
    return this._queue._bytes + this._inSocket();
  }

  get health(): Health {
    return this._heart ? this._heart.health : 'alive';
  }

  /** null: not open. */
  get pulse(): Pulse | null {
    return this._heart ? this._heart._pulse(this._host.now()) : null;
  }

  /** The messages that wait for a socket; after `close`, those that were not sent. */
  get unsent(): Data[] {
    return [...this._queue._items];
  }

  /** As WebSocket's, but a message may also be sent before the connection is open, and
   * while it is away. Throws if the queue is full, or after close(). */
  send(data: Data): void {
    if (this.readyState > OPEN) throw exception('InvalidStateError', 'send() after close()');
    if (typeof data != 'object' || !data) data = `${data}`;
    const size = sizeOf(data);
    const waiting = this.bufferedAmount;
    if (!this._queue._takes(size, waiting, this._policy.queue)) {
      throw exception('QuotaExceededError', `Queue full: ${waiting} + ${size} bytes`);
    }
    if ((this._greeting || !this._queue._items.length) && this._sends()) this._give(data);
    else this._queue._push(data);
  }

  /** For good. */
  close(code?: number, reason?: string): void {
    if (code != null && code != 1000 && !(code > 2999 && code < 5000)) {
      throw exception('InvalidAccessError', `${code} is not 1000 or 3000 to 4999`);
    }
    if (reason && sizeOf(reason) > LONGEST_REASON_BYTES) {
      throw exception('SyntaxError', `reason: over ${LONGEST_REASON_BYTES} bytes`);
    }
    if (this.readyState > OPEN) return;
    this.readyState = CLOSING;
    if (reason) code ||= 1000;
    this._code = code || NO_CODE;
    if (this._heart) {
      this._heart.health = 'alive'; // what doubt held back goes too: there is no next socket
      this._flush();
      this._goodbye(code, reason);
      this._deadline = this._host.now() + CLOSE_MS;
      this._arm();
    } else {
      this._detach();
      Promise.resolve().then(() => this._lose('CLOSED_BY_US', { code: this._code, reason }));
    }
  }

  /** Look now: with a beat if it is open, with an attempt if it is away. */
  probe(): void {
    const heart = this._heart;
    const now = this._host.now();
    if (this.readyState > OPEN) return;
    if (!this._ticket) this._attempt(true);
    else if (heart) {
      if (heart._leftAt < 0) this._beat(now);
      else heart._forgive(now);
    }
    this._arm();
  }

  // ------------------------------------------------------------- coming

  /** `again`: it is not the constructor's, which throws what WebSocket throws. */
  private _attempt(again?: boolean): void {
    const ticket = (this._ticket = {});
    const address = this._address;
    const fail = ({ message }: any): void => {
      if (this._ticket == ticket) this._lose('UNREACHABLE', { what: message });
    };
    const connect = (url: string | URL): void => {
      if (this._ticket == ticket) this._connect(`${url}`);
    };
    this._attemptAt = this._host.now();
    this._deadline = this._attemptAt + this._policy.openWithin;
    this._attempts++;
    if (again) this._tell('reconnecting', { attempt: this._attempts });
    try {
      if (typeof address == 'function') Promise.resolve().then(address).then(connect).catch(fail);
      else connect(address);
    } catch (error) {
      if (!again) throw error;
      fail(error);
    }
    this._arm();
  }

  private _connect(url: string): void {
    const socket = (this._socket = new this._host.WebSocket(url, this._protocols));
    this.url = socket.url;
    if (this._binaryType) socket.binaryType = this._binaryType;
    socket.onopen = () => this._opened(socket);
    socket.onmessage = (event) => this._received(event);
    socket.onerror = () => {}; // `close` follows, and says as much
    socket.onclose = (event) => this._ended(event);
  }

  private _opened({ protocol, extensions }: SocketLike): void {
    this.readyState = OPEN;
    this.protocol = protocol;
    this.extensions = extensions;
    this._openedAt = this._host.now();
    this._attempts = this._buffered = 0;
    this._heart = new Heartbeat(this._policy, this._host.random, this._openedAt);
    this._greeting = true;
    this._tell('open');
    this._greeting = false;
    this._flush();
    this._arm();
  }

  // ------------------------------------------------------------- living

  private _received({ data, origin }: any): void {
    const now = this._host.now();
    const heart = this._heart!;
    const { message, reply } = this._policy;
    if (this.readyState != OPEN) return;
    const any = reply == '*';
    const answers = any || (typeof reply == 'function' ? reply(data) : message && data === reply);
    const asks = !answers && message && data === message;

    if (heart._heard(now)) this._tell('health', { health: heart.health, pulse: heart._pulse(now) });
    if (answers && heart._leftAt >= 0) {
      // Any message may have left before ours arrived.
      if (!any) this._proven = Math.max(this._proven, heart._proves);
      this._tell('beat', { rttMs: heart._answers(now) });
    }
    if (asks && typeof reply == 'string') this._hand(reply);
    this._flush();
    if (any || !(answers || asks)) this._tell('message', { data, origin });
    this._work(now, 0); // a hidden page's timers are slow; what the peer sends is not
    this._arm();
  }

  private _beat(now: number): void {
    if (!this._policy.message) return;
    this._heart!._beaten(now, this._given);
    this._hand(this._policy.message);
  }

  /** Whether a message may be given to the socket now. */
  private _sends(): boolean {
    return !!this._heart && this.health == 'alive' && this._socket!.readyState == OPEN;
  }

  private _flush(): void {
    while (this._queue._items.length && this._sends()) this._give(this._queue._shift());
  }

  private _give(data: Data): void {
    this._given++; // first, since some hosts fail at once
    this._hand(data);
  }

  private _hand(data: Data): void {
    this._heart!._spokeAt = this._host.now();
    this._socket!.send(data);
  }

  private _inSocket(): number {
    return this._socket ? this._socket.bufferedAmount : 0;
  }

  // ------------------------------------------------------------- time

  /** One timer for everything. It is moved only if it would come too late. */
  private _arm(): void {
    const { readyState } = this;
    let at = readyState == OPEN ? this._heart!._deadline() : this._deadline;
    if (readyState == CLOSED || (readyState != CLOSING && (this._asleep || this._offline))) at = Infinity;
    if (at >= this._timerAt && at < Infinity) return;
    this._host.clearTimeout(this._timer);
    this._timerAt = at;
    if (at == Infinity) return;
    const ms = Math.min(Math.ceil(at - this._host.now()), LONGEST_TIMER_MS);
    this._timer = this._host.setTimeout(() => {
      const now = this._host.now();
      this._timerAt = Infinity;
      this._work(now, now - at);
      this._arm();
    }, ms);
  }

  /** `late`: how much later it is than it should be. */
  private _work(now: number, late: number): void {
    if (this.readyState == OPEN) {
      this._attend(this._heart!, now, late);
    } else if (now < this._deadline) {
      return;
    } else if (this.readyState == CLOSING) {
      this._lose('CLOSED_BY_US', { code: this._code, what: LATE });
    } else if (!this._ticket) {
      this._attempt(true);
    } else if (late > LATE_MS) {
      this._deadline = now + LOOK_AGAIN_MS; // it may be open, and stand in the queue behind us
    } else {
      this._lose('UNREACHABLE', { what: LATE });
    }
  }

  private _attend(heart: Heartbeat, now: number, late: number): void {
    const buffered = this._inSocket();
    if (buffered < this._buffered) heart._forgive(now); // the beat stands behind what leaves
    this._buffered = buffered;
    const action = heart._tick(now, late, this._host.hidden());
    if (action == 'beat') this._beat(now);
    if (action == 'doubt') this._tell('health', { health: heart.health, pulse: heart._pulse(now) });
    if (action == 'lost') {
      this._lose('SILENT', {
        _quietMs: now - heart._signAt,
        _stuck: buffered > 0,
      });
    }
  }

  private _hear(what: PageEvent): void {
    const sleep = what == 'sleep';
    if (sleep || what == 'wake') this._asleep = sleep;
    else this._offline = what == 'offline';
    if (this.readyState > OPEN) return;
    if (sleep) {
      if (this._ticket) this._lose('CLOSED_BY_US', { code: GOING_AWAY, sleep: true });
    } else if (!this._asleep && !this._offline) {
      this._deadline = Math.min(this._deadline, this._attemptAt + WAKE_EVERY_MS);
      if (this._ticket || this._host.now() >= this._deadline) this.probe();
    }
    this._arm();
  }

  // ------------------------------------------------------------- going

  private _ended({ code, reason, wasClean, failure }: any): void {
    let cause: Cause = 'CLOSED_BY_PEER';
    if (this.readyState == CLOSING) cause = 'CLOSED_BY_US';
    else if (code == ABNORMAL) cause = failure?.cause || (this._heart ? 'CUT' : 'UNREACHABLE');
    this._lose(cause, { code, reason, wasClean, ...failure });
  }

  private _goodbye(code?: number, reason?: string): void {
    try {
      this._socket!.close(code, reason);
    } catch {} // it has closed already, in its own way
  }

  /** From here on the socket is nobody's, and is not waited for. */
  private _detach(code?: number, reason?: string): void {
    const socket = this._socket;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      this._goodbye(code, reason);
    }
    this._socket = this._heart = this._ticket = null;
  }

  private _lose(cause: Cause, known: Ending): void {
    const { code = ABNORMAL, reason = '', status = 0, sleep } = known;
    const { pulse, _policy: policy, _host: host } = this;
    const now = host.now();
    const openMs = pulse ? now - this._openedAt : -1;
    const [low, high] = sleep ? [0, 0] : retryWindow(cause, status || code, known.retryAfterS, reason);
    const final = this.readyState > OPEN || !policy._reconnects || low < 0;
    let retryMs = -1;

    if (openMs >= policy.stable && (pulse!.beatsAnswered || !policy.message)) this._delay = -1;
    if (!final) {
      if (sleep || this._offline) retryMs = Infinity;
      else if (high) this._attemptAt = now + (retryMs = (low + host.random() * (high - low)) * 1000);
      else {
        // Who finds a proven connection silent has waited long enough, and at a time
        // of its own: the delay counts, but is not waited for.
        const waited = cause == 'SILENT' && this._delay < 0;
        this._delay = nextDelay(this._delay, policy, host.random());
        retryMs = waited ? 0 : this._delay;
      }
    }
    const verdict: Verdict = {
      cause,
      code,
      reason,
      status,
      openMs,
      final,
      retryMs,
      rttMs: -1,
      heardMs: -1,
      ...pulse,
      unsent: this._queue._items.length,
      unconfirmed: this._given - this._proven,
      text: '',
    };
    verdict.text = Vital._words(verdict, known);
    this.verdict = verdict;
    this.readyState = final ? CLOSED : CONNECTING;
    this._proven = this._given; // reported once
    this._deadline = now + retryMs;
    if (cause == 'SILENT') this._detach(NO_ANSWER, 'no answer to the heartbeat');
    else this._detach(sleep && code);

    this._tell('verdict', { verdict });
    if (final) {
      this._unwatch();
      if (code == ABNORMAL) this._tell('error');
      this._tell('close', { code, reason, wasClean: !!known.wasClean, verdict });
    } else if (!retryMs && this.readyState == CONNECTING && !this._ticket) {
      this._attempt(true); // now, whatever the timers of a hidden page do
    }
    this._arm();
  }

  private _tell(type: keyof VitalEventMap, fields: object = {}): void {
    const handler = this[`on${type}`];
    // As one more listener it is called as they are, and its errors are reported as theirs.
    if (handler) this.addEventListener(type, handler, { once: true });
    this.dispatchEvent(makeEvent(type, fields));
  }
}

for (const it of [Vital, Vital.prototype]) Object.assign(it, states);
