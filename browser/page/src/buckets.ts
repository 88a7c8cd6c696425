/**
 * Histograms as vital keeps them (vital.h): four buckets between a power of two
 * and the next, from 16 us on; a bucket includes its end.
 */
const BUCKETS = 90;
const STEPS = 4;

/** In ms; the end of the last one is not known. */
export function bucketEnd(bucket: number): number {
  if (bucket >= BUCKETS - 1) return Infinity;
  const power = 0.016 * 2 ** Math.floor(bucket / STEPS);
  return power * (1 + (bucket % STEPS) / STEPS);
}

export function bucketOf(ms: number): number {
  let bucket = 0;
  while (bucket < BUCKETS - 1 && ms > bucketEnd(bucket)) bucket++;
  return bucket;
}

/** Within its bucket a time is taken to be anywhere with the same chance. NaN if there is none. */
export function quantile(buckets: readonly number[], part: number): number {
  const wanted = part * buckets.reduce((sum, n) => sum + n, 0);
  let before = 0;
  for (const [bucket, n] of buckets.entries()) {
    if (n > 0 && before + n >= wanted) {
      const low = bucket ? bucketEnd(bucket - 1) : 0;
      const high = bucketEnd(bucket);
      return high === Infinity ? low : low + ((high - low) * (wanted - before)) / n;
    }
    before += n;
  }
  return NaN;
}
