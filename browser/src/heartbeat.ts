/**
 * When to beat, when to doubt, when to give up: a machine that is told the time.
 *
 *          due, and sent
 *   QUIET ---------------->  OUT  --- no sign for `answerWithin` --->  'lost'
 *     ^                       |
 *     |  answered; or not,    |     Half-way the health turns doubtful; any
 *     |  by a peer that talks |     message turns it back.
 *     +-----------------------+
 *
 * A beat is due when either direction has been silent for the interval, so a
 * connection that talks costs none. There is at most one unanswered beat: a
 * second one would queue behind it in the same stream and say nothing more.
 *
 * Our own lateness is nobody's death. A page's timers come late: by a busy
 * script, once a minute in a hidden tab, or after a night's sleep; and what the
 * peer has sent meanwhile may stand in the queue behind the timer. So what a
 * late timer would judge is looked at a second time, a moment later, and after
 * what must have been a sleep the whole limit is given anew.
 */
export type Health = 'alive' | 'doubtful';

export type Action = 'beat' | 'doubt' | 'lost' | undefined;

export interface HeartbeatPolicy {
  readonly interval: number;
  /** Infinity: beats keep the path open, and no answer is insisted on. */
  readonly answerWithin: number;
}

/** What is known of the pulse. Times are -1 where never. */
export interface Pulse {
  /** Of the last answered beat. */
  readonly rttMs: number;
  /** Since the last message from the peer. */
  readonly heardMs: number;
  /** Since the last answered beat. */
  readonly proofMs: number;
  /** Since the beat that is not answered yet. */
  readonly waitingMs: number;
  readonly beatsSent: number;
  readonly beatsAnswered: number;
}

/** A timer that comes later than this is late; */
export const LATE_MS = 50;
/** then we look again: what waits in the event loop comes before. */
export const LOOK_AGAIN_MS = 250;
/** Later than this we slept. Hidden tabs have their timers once a minute. */
const SLEPT_MS = 5_000;
const SLEPT_HIDDEN_MS = 90_000;

export class Heartbeat {
  health: Health = 'alive';
  declare _heardAt: number;
  declare _spokeAt: number;
  /** Since when the silence counts. */
  declare _signAt: number;
  /** The second look, if one is due. */
  _lookAt = 0;
  /** When the beat that waits for its answer left; below 0: none does. */
  _leftAt = -1;
  _provedAt = -1;
  _rtt = -1;
  declare _interval: number;
  /** Messages that the next answer will prove received. */
  _proves = 0;
  /** Beats that were forgotten, and may still be answered. */
  _owed = 0;
  /** We slept, or the beat did not leave at once: its time is no round trip. */
  declare _blurred: boolean;
  _sent = 0;
  _answered = 0;

  constructor(
    readonly _policy: HeartbeatPolicy,
    readonly _random: () => number,
    now: number,
  ) {
    this._heardAt = this._spokeAt = this._signAt = now;
    this._interval = this._draw(0.5); // so that returning clients do not beat in step
  }

  /** Any message came. True if this ended a doubt. */
  _heard(now: number): boolean {
    const doubted = this.health != 'alive';
    this._heardAt = this._signAt = now;
    this._lookAt = 0;
    this.health = 'alive';
    return doubted;
  }

  /** A beat was sent, after so many messages. */
  _beaten(now: number, messages: number): void {
    this._signAt = now;
    this._interval = this._draw(0.8);
    this._sent++;
    if (this._policy.answerWithin == Infinity) return;
    this._leftAt = now;
    this._blurred = false;
    // A text has nothing to tell two answers apart: this one's may be another's.
    if (!this._owed) this._proves = messages;
  }

  /** An answer came while one was awaited. The round trip, or -1 if it is not known. */
  _answers(now: number): number {
    const rtt = this._blurred || this._owed ? -1 : now - this._leftAt;
    if (this._owed) this._owed--;
    if (rtt >= 0) this._rtt = rtt;
    this._leftAt = -1;
    this._provedAt = now;
    this._answered++;
    return rtt;
  }

  /** Silence counts anew: bytes have left the socket's buffer, or we slept. */
  _forgive(now: number): void {
    this._signAt = now;
    this._lookAt = 0;
    this._blurred = true;
  }

  _deadline(): number {
    return this._leftAt < 0
      ? this._dueAt()
      : Math.max(this._lookAt, Math.min(this._silentAt(), this._forgetAt()));
  }

  /** `late`: how much later than the deadline the timer came. */
  _tick(now: number, late: number, hidden: boolean): Action {
    if (late > (hidden ? SLEPT_HIDDEN_MS : SLEPT_MS)) this._forgive(now);
    if (now >= this._forgetAt()) {
      this._leftAt = -1;
      this._owed++;
    }
    if (this._leftAt < 0) return now < this._dueAt() ? undefined : 'beat';
    if (now < this._silentAt() || now < this._lookAt) return;
    if (late > LATE_MS && !this._lookAt) {
      this._lookAt = now + LOOK_AGAIN_MS;
      return;
    }
    this._lookAt = 0;
    if (this.health != 'alive') return 'lost';
    this.health = 'doubtful';
    return 'doubt';
  }

  _pulse(now: number): Pulse {
    const age = (since: number): number => (since < 0 ? -1 : now - since);
    return {
      rttMs: this._rtt,
      heardMs: age(this._heardAt),
      proofMs: age(this._provedAt),
      waitingMs: age(this._leftAt),
      beatsSent: this._sent,
      beatsAnswered: this._answered,
    };
  }

  /** Jitter only downwards, so that the promised interval is never exceeded. */
  _draw(least: number): number {
    return this._policy.interval * (least + this._random() * (1 - least));
  }

  /** What is not answered cannot end a silence of the peer's. */
  _dueAt(): number {
    const heardAt = this._policy.answerWithin < Infinity ? this._heardAt : Infinity;
    return Math.min(heardAt, this._spokeAt) + this._interval;
  }

  _silentAt(): number {
    return this._signAt + this._policy.answerWithin / (this.health == 'alive' ? 2 : 1);
  }

  /** A peer that talks and does not answer has lost the beat; the next silence asks again. */
  _forgetAt(): number {
    return this._heardAt > this._leftAt && this._leftAt >= 0 && this.health == 'alive'
      ? this._leftAt + this._policy.answerWithin
      : Infinity;
  }
}
