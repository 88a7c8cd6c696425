/**
 * Mini-programs: their SocketTask as the WebSocket that the core knows, and the
 * life of the program as that of a page. What uni-app and WeChat share.
 *
 * In the background a mini-program's timers stand still, soon also its network.
 * Nothing is closed for that: a moment behind another program costs nothing, and
 * what has been cut meanwhile is noticed on return, by a beat at once. (A goodbye
 * would cut each of these moments, and every share of a picture is one.)
 */
import type { Host, PageEvent, SocketClass, SocketLike } from './host.js';
import { exception, textSize } from './platform.js';

export interface SocketTask {
  send(options: any): void;
  close(options: any): void;
  onOpen(hear: (result: any) => void): void;
  onClose(hear: (result: any) => void): void;
  onError(hear: (result: any) => void): void;
  onMessage(hear: (result: any) => void): void;
}

/** What of `uni` and `wx` is used. What is optional exists on some of them. */
export interface MiniProgram {
  connectSocket(options: any): SocketTask;
  onNetworkStatusChange(hear: (result: { isConnected: boolean }) => void): void;
  offNetworkStatusChange?(hear: (result: any) => void): void;
  onAppShow?(hear: (result: any) => void): void;
  offAppShow?(hear: (result: any) => void): void;
  onAppHide?(hear: (result: any) => void): void;
  offAppHide?(hear: (result: any) => void): void;
}

const ABNORMAL = 1006;

/** `most`: how many sockets the host allows at a time. `more`: for connectSocket. */
export function socketClass(mini: MiniProgram, most: number, count: { open: number }, more: object = {}): SocketClass {
  return class implements SocketLike {
    readyState = 0;
    bufferedAmount = 0;
    readonly extensions = '';
    protocol = '';
    binaryType = 'arraybuffer';
    onopen: ((event: any) => any) | null = null;
    onmessage: ((event: any) => any) | null = null;
    onerror: ((event: any) => any) | null = null;
    onclose: ((event: any) => any) | null = null;
    readonly _task: SocketTask;
    _counted = true;

    constructor(
      readonly url: string,
      protocols: string | string[] = [],
    ) {
      if (!/^wss?:\/\/[^#]+$/.test(url)) {
        throw exception('SyntaxError', `"${url}" is not the URL of a WebSocket: it begins with wss:// or ws://`);
      }
      if (count.open >= most) {
        throw exception(
          'QuotaExceededError',
          `A mini-program may have ${most} sockets at a time, and as many are open: close one first`,
        );
      }
      count.open++;
      const list = typeof protocols == 'string' ? [protocols] : protocols;
      const fail = ({ errMsg }: any): void => this._end(ABNORMAL, '', errMsg);
      const task = (this._task = mini.connectSocket({
        ...more,
        url,
        ...(list.length && { protocols: list }),
        fail,
        complete: () => {}, // without one of these uni gives a promise in place of a task
      }));
      task.onOpen(({ header }) => {
        if (this.readyState) return;
        this.readyState = 1;
        this.protocol = header?.['Sec-WebSocket-Protocol'] || header?.['sec-websocket-protocol'] || '';
        this.onopen?.({});
      });
      task.onMessage(({ data }) => this.onmessage?.({ data }));
      task.onError(fail); // on some hosts no close follows
      task.onClose(({ code = ABNORMAL, reason = '' }) => this._end(code, reason));
    }

    send(data: any): void {
      if (this.readyState != 1) return;
      if (ArrayBuffer.isView(data)) {
        data = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
      }
      const size = typeof data == 'string' ? textSize(data) : data.byteLength;
      this.bufferedAmount += size;
      this._task.send({
        data,
        success: () => (this.bufferedAmount -= size),
        // It has not left, and nobody can say how much before it has: a new socket can.
        fail: ({ errMsg }: any) => {
          this._end(ABNORMAL, '', errMsg);
          this.close();
        },
      });
    }

    close(code = 1000, reason = ''): void {
      if (this.readyState < 2) this.readyState = 2;
      this._release();
      this._task.close({ code, reason, fail: () => {} });
    }

    _end(code: number, reason: string, what?: string): void {
      this.readyState = 3;
      this._release();
      this.onclose?.({ code, reason, wasClean: code != ABNORMAL, failure: what && { what } });
    }

    /** One that was closed no longer counts, whether or not the host ever says so. */
    _release(): void {
      if (this._counted) count.open--;
      this._counted = false;
    }
  };
}

/** Whether the program is in the background, and whom to tell of its life. */
export function life(mini: MiniProgram): Pick<Host, 'hidden' | 'watch'> {
  let hidden = false;
  return {
    hidden: () => hidden,
    watch: (tell: (what: PageEvent) => void) => {
      const show = (): void => {
        hidden = false;
        tell('wake');
      };
      const hide = (): void => {
        hidden = true;
      };
      const network = ({ isConnected }: { isConnected: boolean }): void =>
        tell(isConnected ? 'online' : 'offline');
      mini.onAppShow?.(show);
      mini.onAppHide?.(hide);
      mini.onNetworkStatusChange(network);
      return () => {
        mini.offAppShow?.(show);
        mini.offAppHide?.(hide);
        mini.offNetworkStatusChange?.(network);
      };
    },
  };
}
