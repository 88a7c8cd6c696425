/** What the world must give: sockets, time, chance, and news of the page's life. */

/** The part of WebSocket that is used. A closing event may tell more: `failure`. */
export interface SocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly extensions: string;
  readonly protocol: string;
  readonly url: string;
  binaryType: string;
  onopen: ((event: any) => any) | null;
  onmessage: ((event: any) => any) | null;
  onerror: ((event: any) => any) | null;
  onclose: ((event: any) => any) | null;
  send(data: any): void;
  close(code?: number, reason?: string): void;
}

export type SocketClass = new (url: string, protocols?: string | string[]) => SocketLike;

/** Why it failed, from a host that knows more than a page. */
export interface Failure {
  /** undefined: CUT if it was open, else UNREACHABLE. */
  readonly cause?: 'UNREACHABLE' | 'UNTRUSTED' | 'REJECTED' | 'MISBEHAVED';
  readonly what?: string;
  readonly status?: number;
  readonly retryAfterS?: number;
}

/**
 * wake: the page is visible again, or was resumed. sleep: it is put away, and its
 * timers with it. online and offline: the network's.
 */
export type PageEvent = 'wake' | 'sleep' | 'online' | 'offline';

export interface Host {
  WebSocket: SocketClass;
  /** Milliseconds that go on during sleep and never go back. */
  now(): number;
  setTimeout(run: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
  /** From [0, 1). */
  random(): number;
  /** Whether timers are slowed down, as a hidden page's are. */
  hidden(): boolean;
  /** Tells of the page's life until the returned function is called. */
  watch(tell: (what: PageEvent) => void): () => void;
}
