/** What a user interface shows of a Vital, as one value that is new with each change. */
import type { Health } from './heartbeat.js';
import type { Verdict } from './verdict.js';
import type { Vital } from './vital.js';

export type Status = 'connecting' | 'open' | 'closing' | 'closed';

export interface Snapshot {
  /** 'connecting' also while it is away. */
  readonly status: Status;
  readonly health: Health;
  /** Of the last answered beat; -1 before the first. */
  readonly rttMs: number;
  /** The last one; null while nothing has been lost. */
  readonly verdict: Verdict | null;
  /** The last message. */
  readonly data: any;
}

export const nothing: Snapshot =
  { status: 'connecting', health: 'alive', rttMs: -1, verdict: null, data: undefined };

const STATUS: readonly Status[] = ['connecting', 'open', 'closing', 'closed'];

/** Tells of each change until the returned function is called. */
export function watch(vital: Vital, tell: (snapshot: Snapshot) => void): () => void {
  let now = nothing;
  const types = ['open', 'close', 'health', 'beat', 'message', 'verdict', 'reconnecting'];
  const hear = (event: any): void => {
    now = {
      status: STATUS[vital.readyState]!,
      health: vital.health,
      rttMs: event.type == 'beat' && event.rttMs >= 0 ? event.rttMs : now.rttMs,
      verdict: vital.verdict,
      data: event.type == 'message' ? event.data : now.data,
    };
    tell(now);
  };
  for (const type of types) vital.addEventListener(type, hear);
  return () => {
    for (const type of types) vital.removeEventListener(type, hear);
  };
}
