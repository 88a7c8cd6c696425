/**
 * The verdict on a lost socket, and whether to try again. The table is the C
 * client's (shared.ts). What a verdict says in words is words.ts.
 */
import type { Pulse } from './heartbeat.js';
import { RETRY_AFTER_MAX_S } from './constants.js';
import { retryTable } from './shared.js';
import type { RetryRow } from './shared.js';

/** One for each thing that a person would do differently. */
export type Cause =
  | 'CLOSED_BY_US'
  | 'CLOSED_BY_PEER'
  | 'UNREACHABLE'
  | 'UNTRUSTED'
  | 'REJECTED'
  | 'SILENT'
  | 'CUT'
  | 'MISBEHAVED';

/**
 * Messages count in the order in which `send` accepted them. The last `unsent` of
 * them have not been given to a socket; the `unconfirmed` before those have, but
 * nothing proves that the peer has them.
 */
export interface Verdict extends Partial<Pulse> {
  readonly cause: Cause;
  /** The close code; 1005: none was given; 1006: there was no close frame. */
  readonly code: number;
  readonly reason: string;
  /** HTTP status of a refused upgrade, where the host tells it; else 0. */
  readonly status: number;
  /** What happened and how we know, in one sentence. */
  text: string;
  /** How long it was open; -1: never. */
  readonly openMs: number;
  /** The pulse as last seen; of an attempt that failed these two alone, at -1. */
  readonly rttMs: number;
  readonly heardMs: number;
  readonly unsent: number;
  readonly unconfirmed: number;
  /** No further attempt will be made. */
  readonly final: boolean;
  /** Until the next attempt; -1 if final; Infinity: when the page or the network is back. */
  readonly retryMs: number;
}

/** What a sentence may name beyond the verdict's own fields. */
export interface Circumstances {
  /** What failed, without a full stop. Not trusted. */
  what?: string;
  /** SILENT: for how long nothing was heard. */
  _quietMs?: number;
  /** SILENT: the beat did not leave. */
  _stuck?: boolean;
}

/** At the end of a close reason, as src/life/invitation.c reads it. */
export const invitation = /(^|; )retry in (\d{1,3})-(\d{1,3}) s$/;

export const rowOf = (cause: Cause, code: number): Partial<RetryRow> =>
  retryTable[cause]?.find(([from, to]) => from <= code && code <= to) || [0, 0, 0, 0];

/** From and to, in s. [0, 0]: the backoff's window. From below 0: never. */
export function retryWindow(
  cause: Cause,
  code: number,
  retryAfterS?: number,
  reason?: string,
): readonly [low: number, high: number] {
  const [, , low = -1, high, told] = rowOf(cause, code);
  // Never early, and a quarter more to spread those who were told the same.
  const after = Math.min(retryAfterS!, RETRY_AFTER_MAX_S);
  const [, , from, to]: any = invitation.exec(reason!) || [0, 0, after, after * 1.25];
  return told && to - from >= 0 ? [+from, +to] : [low, high!];
}
