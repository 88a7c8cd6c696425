/** What a Vital tells, and to whom. */
import type { Health, Pulse } from './heartbeat.js';
import type { Verdict } from './verdict.js';

export interface VitalEvent {
  readonly type: string;
  readonly target: unknown;
}

export interface VitalMessageEvent extends VitalEvent {
  readonly data: any;
  readonly origin: string;
}

export interface VitalCloseEvent extends VitalEvent {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  /** The last one, which is final. */
  readonly verdict?: Verdict;
}

export interface VitalHealthEvent extends VitalEvent {
  readonly health: Health;
  readonly pulse: Pulse;
}

export interface VitalBeatEvent extends VitalEvent {
  /** -1: the answer came, but its time says nothing, since we slept meanwhile. */
  readonly rttMs: number;
}

export interface VitalVerdictEvent extends VitalEvent {
  readonly verdict: Verdict;
}

export interface VitalReconnectingEvent extends VitalEvent {
  /** Which attempt this is since the connection was last open, from 1. */
  readonly attempt: number;
}

export interface VitalEventMap {
  /** Each time that a socket opens, not only the first. */
  open: VitalEvent;
  message: VitalMessageEvent;
  /** Just before a `close` that was not an orderly one. */
  error: VitalEvent;
  /** Once, at the very end: there will be no further attempt. */
  close: VitalCloseEvent;
  health: VitalHealthEvent;
  /** A heartbeat was answered. */
  beat: VitalBeatEvent;
  /** Once for each lost socket or failed attempt. */
  verdict: VitalVerdictEvent;
  /** An attempt begins, other than the first of all. */
  reconnecting: VitalReconnectingEvent;
}

// A method's parameters are compared in both directions, so that handlers written
// for the events of the DOM fit too.
export type Handler<E> = { handle(event: E): any }['handle'];
