/**
 * The visitor's own connection: opens it, watches it, says how it is. What is
 * drawn is exact; a word stays for a moment, since nobody reads one that is gone
 * at once.
 */
import { Vital } from '../../src/index.js';
import type { Verdict } from '../../src/index.js';
import { bucketOf } from './buckets.js';
import { Chart } from './chart.js';
import { byId, make, setText } from './dom.js';
import { History } from './history.js';
import type { Condition } from './history.js';
import { Messages } from './messages.js';
import { Strip } from './strip.js';
import { bytes, clockTime, count, milliseconds, span } from './words.js';

const BEAT = { interval: '1s', answerWithin: '4s' };
const WORD_MS = 1500;
const AGAIN_MS = 12_000;
const VERDICTS_SHOWN = 50;
const FRAME_MS = 30;
const STILL_FRAME_MS = 1000;
const NUMBERS_MS = 500;

interface State {
  condition: Condition | 'connecting';
  word: string;
  why: string;
}

const WELL = 'Every beat is answered.';

export class You {
  readonly connection: Vital;
  onopen: () => void = () => {};
  key = '';

  private readonly history = new History(Date.now());
  private readonly strip = new Strip(byId<HTMLCanvasElement>('strip'), this.history);
  private readonly chart = new Chart(byId('own-rtt'));
  private readonly buckets: number[] = [];
  private late = false;
  private lateBeats = 0;
  private answered = 0;
  private sockets = 0;
  private openedAt = 0;
  private heldUntil = 0;
  private next: { state: State; timer: number } | undefined;
  private lost: { verdict: Verdict; at: number } | undefined;

  constructor(url: string, message: string) {
    const address = (): string => {
      const random = crypto.getRandomValues(new Uint8Array(16));
      this.key = [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      return `${url}?key=${this.key}`;
    };
    const connection = new Vital(address, [], { heartbeat: { ...BEAT, message } });
    this.connection = connection;
    connection.onopen = () => this.opened();
    connection.onbeat = ({ rttMs }) => this.beat(rttMs);
    connection.onhealth = ({ health }) => (health === 'doubtful' ? this.doubts() : this.well());
    connection.onverdict = ({ verdict }) => this.judged(verdict);
    connection.onreconnecting = ({ attempt }) => this.tries(attempt);
    addEventListener('offline', () => this.offline());
    addEventListener('online', () => this.online());
    new Messages(connection);
    this.tick();
    setInterval(() => this.showNumbers(), NUMBERS_MS);
  }

  // ------------------------------------------------------------ what happens

  private opened(): void {
    const now = Date.now();
    this.openedAt = now;
    this.sockets++;
    this.late = false;
    this.history.becomes('alive', now);
    if (this.lost) {
      const away = span(now - this.lost.at);
      this.show('alive', 'Alive again', `It was away for ${away}. ${this.lost.verdict.text}`);
      setTimeout(() => this.calmDown(), AGAIN_MS);
    } else {
      this.show('alive', 'Alive', WELL);
    }
    this.lost = undefined;
    this.onopen();
    this.showNumbers();
  }

  /** The reason has been there for long enough to be read. */
  private calmDown(): void {
    if (this.history.condition === 'alive' && !this.next) this.show('alive', 'Alive', WELL);
  }

  private beat(rtt: number): void {
    const at = Date.now();
    this.answered++;
    this.history.beat({ at, rtt: Math.max(0, rtt), late: this.late });
    if (rtt >= 0) {
      const bucket = bucketOf(rtt);
      while (this.buckets.length <= bucket) this.buckets.push(0);
      this.buckets[bucket]!++;
      this.chart.show(this.buckets);
      setText(byId('rtt-now'), milliseconds(rtt));
    }
    if (this.history.condition !== 'alive') this.well();
    this.late = false;
    this.showNumbers();
  }

  private doubts(): void {
    this.late = true;
    this.lateBeats++;
    this.history.becomes('doubtful', Date.now());
    this.show('doubtful', 'Doubtful', 'The last beat has no answer yet. New messages wait until it is clear whether anybody is there.');
  }

  private well(): void {
    this.history.becomes('alive', Date.now());
    this.show('alive', 'Alive', this.late ? 'The answer came late, but it came.' : WELL);
  }

  private judged(verdict: Verdict): void {
    const now = Date.now();
    const silent = verdict.cause === 'SILENT';
    this.history.died(silent ? now - verdict.heardMs : now, now, verdict.cause);
    this.lost ??= { verdict, at: silent ? now - verdict.heardMs : now };
    const next = verdict.final
      ? 'That is final: reload the page to begin anew.'
      : verdict.retryMs === Infinity
        ? 'It comes back with the network.'
        : verdict.retryMs > 50
          ? `It comes back in ${span(verdict.retryMs)}.`
          : 'It comes back at once.';
    this.show('dead', 'Dead', `${verdict.text} ${next}`);
    this.list(verdict, now);
    this.showNumbers();
  }

  private tries(attempt: number): void {
    this.show('dead', 'Coming back', `Attempt ${attempt} is under way.`);
  }

  private offline(): void {
    this.history.becomes('away', Date.now());
    this.show('away', 'Offline', 'This machine has no network. Nothing is tried until it is back.');
  }

  private online(): void {
    if (this.connection.readyState === Vital.OPEN) this.well();
    else this.show('connecting', 'Online', 'The network is back, and so will the connection be.');
  }

  // ------------------------------------------------------------ what is shown

  /** A death is shown for a while; what comes next takes the place of what waited. */
  private show(condition: State['condition'], word: string, why: string): void {
    const state = { condition, word, why };
    const left = this.heldUntil - Date.now();
    if (this.next) clearTimeout(this.next.timer);
    this.next = undefined;
    if (left <= 0 || word === 'Dead') this.write(state);
    else this.next = { state, timer: setTimeout(() => this.write(state), left) };
  }

  private write({ condition, word, why }: State): void {
    this.next = undefined;
    if (word === 'Dead') this.heldUntil = Date.now() + WORD_MS;
    byId('state').dataset.state = condition;
    setText(byId('word'), word);
    setText(byId('why'), why);
    document.title = condition === 'alive' ? 'vital' : `${word} – vital`;
  }

  private list({ cause, text }: Verdict, now: number): void {
    const list = byId('verdicts');
    const head = make('div', '', make('b', '', cause), make('time', '', clockTime(now)));
    const calm = cause === 'CLOSED_BY_US' || cause === 'CLOSED_BY_PEER';
    list.prepend(make('li', calm ? 'calm' : '', head, text));
    while (list.children.length > VERDICTS_SHOWN) list.lastElementChild!.remove();
    byId('no-verdict').hidden = true;
  }

  private showNumbers(): void {
    const { pulse, bufferedAmount } = this.connection;
    setText(byId('heard'), pulse ? `${span(pulse.heardMs)} ago` : '–');
    setText(byId('beats'), count(this.answered));
    setText(byId('late'), count(this.lateBeats));
    setText(byId('open'), pulse ? span(Date.now() - this.openedAt) : '–');
    setText(byId('sockets'), count(this.sockets));
    setText(byId('queued'), bytes(bufferedAmount));
  }

  /** Who asked for less motion sees the strip move once a second. */
  private tick(drawn = 0): void {
    const still = matchMedia('(prefers-reduced-motion: reduce)');
    const frame = (): void => {
      const now = Date.now();
      if (now - drawn >= (still.matches ? STILL_FRAME_MS : FRAME_MS)) {
        this.strip.draw(now);
        drawn = now;
      }
      requestAnimationFrame(frame);
    };
    frame();
  }
}
