/**
 * What has happened to the connection within the last minutes: beats, and spans
 * of time in which it was well or not. What the strip draws; it draws nothing itself.
 */
export type Condition = 'alive' | 'doubtful' | 'dead' | 'away';

export interface Beat {
  readonly at: number;
  readonly rtt: number;
  readonly late: boolean;
}

export interface Span {
  from: number;
  condition: Condition;
}

export interface Mark {
  readonly at: number;
  readonly word: string;
}

const KEPT_MS = 3 * 60_000;

export class History {
  readonly beats: Beat[] = [];
  readonly marks: Mark[] = [];
  /** Each lasts until the next one. */
  readonly spans: Span[] = [];

  constructor(now: number) {
    this.spans.push({ from: now, condition: 'away' });
  }

  get condition(): Condition {
    return this.spans[this.spans.length - 1]!.condition;
  }

  becomes(condition: Condition, now: number): void {
    if (condition !== this.condition) this.spans.push({ from: now, condition });
    this.forget(now);
  }

  beat(beat: Beat): void {
    this.beats.push(beat);
    this.forget(beat.at);
  }

  /** It was dead since it was last heard, as we know only now. */
  died(since: number, now: number, word: string): void {
    let from = since;
    while (this.spans.length > 1 && this.spans[this.spans.length - 1]!.from >= since) {
      from = this.spans.pop()!.from;
    }
    from = Math.max(since, this.spans[0]!.from);
    this.spans.push({ from, condition: 'dead' });
    this.marks.push({ at: now, word });
    this.forget(now);
  }

  private forget(now: number): void {
    const old = (stamp: number): boolean => stamp < now - KEPT_MS;
    while (this.beats.length && old(this.beats[0]!.at)) this.beats.shift();
    while (this.marks.length && old(this.marks[0]!.at)) this.marks.shift();
    while (this.spans.length > 1 && old(this.spans[1]!.from)) this.spans.shift();
  }
}
