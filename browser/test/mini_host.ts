/**
 * Stand-ins for `wx` and `uni`, as their documentation has them: a SocketTask with
 * callbacks, sending with `success` and `fail`, five sockets at most, sockets that
 * are cut in the background, and for uni a promise instead of a task where no
 * callback is given. Time is the world's.
 */
import type { World } from './world.js';

type Hear = (result: any) => void;

export class FakeTask {
  open = false;
  ended = false;
  sent: any[] = [];
  closedWith: any = null;
  /** What send() meets: it leaves, it fails, or nothing is said. */
  sending: 'success' | 'fail' | 'stuck' = 'success';
  private hears: Record<string, Hear[]> = {};

  constructor(
    private readonly host: FakeMini,
    readonly options: any,
  ) {}

  onOpen(hear: Hear): void {
    (this.hears['open'] ??= []).push(hear);
  }
  onClose(hear: Hear): void {
    (this.hears['close'] ??= []).push(hear);
  }
  onError(hear: Hear): void {
    (this.hears['error'] ??= []).push(hear);
  }
  onMessage(hear: Hear): void {
    (this.hears['message'] ??= []).push(hear);
  }

  send({ data, success, fail }: any): void {
    if (typeof data !== 'string' && !(data instanceof ArrayBuffer)) throw new TypeError('data is a string or an ArrayBuffer');
    if (!this.open || this.sending === 'fail') fail?.({ errMsg: 'sendSocketMessage:fail interrupted' });
    else if (this.sending === 'success') {
      this.sent.push(data);
      success?.({ errMsg: 'sendSocketMessage:ok' });
    }
  }

  close(options: any): void {
    if (this.ended) {
      options.fail?.({ errMsg: 'closeSocket:fail' });
      return;
    }
    this.closedWith ??= options;
  }

  tell(what: string, result: any): void {
    (this.hears[what] ?? []).forEach((hear) => hear(result));
  }

  accept(header: object = {}): void {
    this.open = true;
    this.tell('open', { header });
  }
  bring(data: any): void {
    this.tell('message', { data });
  }
  end(code = 1006, reason = ''): void {
    this.open = false;
    this.ended = true;
    this.host.tasks.delete(this);
    this.tell('close', { code, reason });
  }
}

export class FakeMini {
  tasks = new Set<FakeTask>();
  all: FakeTask[] = [];
  shows: Hear[] = [];
  hides: Hear[] = [];
  networks: Hear[] = [];

  constructor(
    readonly kind: 'uni' | 'wx',
    readonly most = Infinity,
  ) {}

  get task(): FakeTask {
    return this.all[this.all.length - 1]!;
  }

  connectSocket(options: any): any {
    const task = new FakeTask(this, options);
    this.all.push(task);
    if (this.tasks.size >= this.most) {
      Promise.resolve().then(() => options.fail?.({ errMsg: 'connectSocket:fail exceed max task count' }));
    } else this.tasks.add(task);
    const callback = options.success || options.fail || options.complete;
    return this.kind === 'uni' && !callback ? Promise.resolve(task) : task;
  }

  private static off(list: Hear[], hear: Hear): void {
    const at = list.indexOf(hear);
    if (at >= 0) list.splice(at, 1);
  }
  onAppShow = (hear: Hear): void => void this.shows.push(hear);
  offAppShow = (hear: Hear): void => FakeMini.off(this.shows, hear);
  onAppHide = (hear: Hear): void => void this.hides.push(hear);
  offAppHide = (hear: Hear): void => FakeMini.off(this.hides, hear);
  onNetworkStatusChange = (hear: Hear): void => void this.networks.push(hear);
  offNetworkStatusChange = (hear: Hear): void => FakeMini.off(this.networks, hear);

  hide(): void {
    [...this.hides].forEach((hear) => hear({}));
  }
  show(): void {
    [...this.shows].forEach((hear) => hear({}));
  }
  network(isConnected: boolean): void {
    [...this.networks].forEach((hear) => hear({ isConnected, networkType: isConnected ? 'wifi' : 'none' }));
  }
}

/** The world's time, and nothing of its sockets. */
export function timeOf(world: World): object {
  const { now, setTimeout, clearTimeout, random } = world.host();
  return { now, setTimeout, clearTimeout, random };
}
