/**
 * A world that moves by hand: time, timers, sockets and the page's life. Its
 * timers can be as late as a hidden page's, or a sleeping machine's; and what is
 * late runs before what the network brings, which is the harder order.
 */
import { Vital } from '../src/index.js';
import type { Address, Host, PageEvent, Verdict, VitalOptions } from '../src/index.js';

interface Job {
  at: number;
  id: number;
  timer: boolean;
  run: () => void;
}

export class FakeSocket {
  readyState = 0;
  bufferedAmount = 0;
  extensions = '';
  protocol = '';
  binaryType = 'blob';
  onopen: ((event: any) => any) | null = null;
  onmessage: ((event: any) => any) | null = null;
  onerror: ((event: any) => any) | null = null;
  onclose: ((event: any) => any) | null = null;
  /** What was sent, and how it was closed by us. */
  sent: any[] = [];
  closed: [number | undefined, string | undefined] | null = null;
  /** Called for each message that is sent. */
  server: (data: any) => void = () => {};

  constructor(
    readonly world: World,
    readonly url: string,
    readonly protocols: string | string[],
  ) {}

  send(data: any): void {
    if (this.readyState === 0) throw new Error('still connecting');
    if (this.readyState !== 1) return; // as a page's: silently
    this.sent.push(data);
    this.server(data);
  }

  close(code?: number, reason?: string): void {
    this.closed ??= [code, reason];
    this.readyState = 2;
  }

  accept(protocol = ''): void {
    this.readyState = 1;
    this.protocol = protocol;
    this.onopen?.({});
  }

  bring(data: any): void {
    this.onmessage?.({ data, origin: 'ws://test' });
  }

  /** It ends: by a close frame, or with 1006 without one. */
  end(code = 1006, reason = '', more: object = {}): void {
    this.readyState = 3;
    this.onerror?.({});
    this.onclose?.({ code, reason, wasClean: code !== 1006, ...more });
  }
}

export class World {
  now = 1_000_000;
  sockets: FakeSocket[] = [];
  hidden = false;
  /** Timers come at multiples of this only. */
  throttle = 1;
  tell: (what: PageEvent) => void = () => {};
  watched = 0;
  random = (): number => 0.5;
  private jobs: Job[] = [];
  private ids = 0;

  host(): Host {
    const world = this;
    return {
      WebSocket: class extends FakeSocket {
        constructor(url: string, protocols?: string | string[]) {
          super(world, url, protocols!);
          world.sockets.push(this);
        }
      },
      now: () => this.now,
      setTimeout: (run, ms) => this.plan(ms, run, true),
      clearTimeout: (id) => {
        this.jobs = this.jobs.filter((job) => job.id !== id);
      },
      random: () => this.random(),
      hidden: () => this.hidden,
      watch: (tell) => {
        this.tell = tell;
        this.watched++;
        return () => {
          this.watched--;
        };
      },
    };
  }

  get socket(): FakeSocket {
    return this.sockets[this.sockets.length - 1]!;
  }

  get timers(): number {
    return this.jobs.filter((job) => job.timer).length;
  }

  /** In so many ms: a timer's, or the network's doing. */
  plan(ms: number, run: () => void, timer = false): number {
    this.jobs.push({ at: this.now + ms, id: ++this.ids, timer, run });
    return this.ids;
  }

  private when(job: Job): number {
    if (!job.timer) return job.at;
    return Math.ceil(job.at / this.throttle) * this.throttle;
  }

  /** Time goes on, and everything happens when it should. */
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.jobs
        .filter((job) => this.when(job) <= end)
        .sort((a, b) => this.when(a) - this.when(b) || Number(b.timer) - Number(a.timer) || a.id - b.id)[0];
      if (!next) break;
      this.jobs = this.jobs.filter((job) => job !== next);
      this.now = Math.max(this.now, this.when(next));
      next.run();
    }
    this.now = end;
  }

  /** Nothing happens, for so long; then the timers that are overdue, then the network. */
  stall(ms: number): void {
    this.now += ms;
    const due = this.jobs.filter((job) => job.at <= this.now);
    this.jobs = this.jobs.filter((job) => job.at > this.now);
    due.sort((a, b) => Number(b.timer) - Number(a.timer) || a.at - b.at).forEach((job) => job.run());
  }

  /** Of each message, when it is sent, the same comes back after so many ms. */
  echo(socket: FakeSocket, ms = 20): void {
    socket.server = (data) => this.plan(ms, () => socket.bring(data));
  }
}

/** What a user hears, in order. */
export interface Heard {
  vital: Vital;
  log: string[];
  verdicts: Verdict[];
  messages: any[];
}

export function listen(vital: Vital): Heard {
  const heard: Heard = { vital, log: [], verdicts: [], messages: [] };
  vital.addEventListener('open', () => heard.log.push('open'));
  vital.addEventListener('message', ({ data }) => {
    heard.log.push('message');
    heard.messages.push(data);
  });
  vital.addEventListener('error', () => heard.log.push('error'));
  vital.addEventListener('close', ({ code }) => heard.log.push(`close ${code}`));
  vital.addEventListener('health', ({ health }) => heard.log.push(health));
  vital.addEventListener('beat', () => heard.log.push('beat'));
  vital.addEventListener('reconnecting', ({ attempt }) => heard.log.push(`reconnecting ${attempt}`));
  vital.addEventListener('verdict', ({ verdict }) => {
    heard.log.push(verdict.cause);
    heard.verdicts.push(verdict);
  });
  return heard;
}

export function connect(world: World, options: VitalOptions = {}, url: Address = 'ws://test/'): Heard {
  return listen(new Vital(url, [], { host: world.host(), ...options }));
}

/** Open, with an echoing server. */
export function open(world: World, options: VitalOptions = {}): Heard {
  const heard = connect(world, options);
  world.echo(world.socket);
  world.socket.accept();
  return heard;
}

/** Numbers from [0, 1) that are the same for a seed: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
