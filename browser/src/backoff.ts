/**
 * How long to stay away before the next attempt: decorrelated jitter.
 *
 *   first attempt        U(0, first)
 *   each one after it    U(min, clamp(3 * the last one, min, max))
 *
 * Clients that were thrown out together must not come back together, so every
 * delay is drawn from a whole window. The clamp comes before the draw: clamping
 * last would make every client wait exactly the same longest time.
 */
export interface BackoffPolicy {
  readonly first: number;
  readonly min: number;
  readonly max: number;
}

const GROWTH = 3;

/** `last`: the last delay; below 0: none since the connection last proved stable.
 * `random` is from [0, 1). */
export function nextDelay(last: number, { first, min, max }: BackoffPolicy, random: number): number {
  const low = last < 0 ? 0 : min;
  const high = last < 0 ? first : Math.max(min, Math.min(last * GROWTH, max));
  return low + random * (high - low);
}
