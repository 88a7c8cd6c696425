/** A histogram of round trips: a few bars on a logarithmic axis, and percentiles in words. */
import { bucketEnd, quantile } from './buckets.js';
import { facts, make, makeSvg, setText } from './dom.js';
import { milliseconds } from './words.js';

const WIDE = 300;
const TALL = 100;
const LEAST_BARS = 20;

export class Chart {
  private readonly svg = makeSvg('svg', { viewBox: `0 0 ${WIDE} ${TALL + 1}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  private readonly from = make('span');
  private readonly to = make('span');
  private numbers = make('dl');

  constructor(root: HTMLElement) {
    const axis = make('p', 'axis', this.from, this.to);
    axis.ariaHidden = 'true';
    root.append(this.svg, axis, this.numbers);
    this.show([]);
  }

  show(buckets: readonly number[]): void {
    const numbers = facts([
      ['median', milliseconds(quantile(buckets, 0.5))],
      ['90 %', milliseconds(quantile(buckets, 0.9))],
      ['99 %', milliseconds(quantile(buckets, 0.99))],
      ['beats', `${buckets.reduce((sum, n) => sum + n, 0)}`],
    ]);
    this.numbers.replaceWith(numbers);
    this.numbers = numbers;
    const used = buckets.findIndex((n) => n > 0);
    const last = buckets.reduce((found, n, bucket) => (n > 0 ? bucket : found), used);
    const spare = Math.max(4, LEAST_BARS - 1 - (last - used));
    const first = Math.max(0, used - (spare >> 1));
    const after = Math.max(last + 2, first + LEAST_BARS);
    setText(this.from, used < 0 ? '' : milliseconds(first ? bucketEnd(first - 1) : 0));
    setText(this.to, used < 0 ? '' : milliseconds(bucketEnd(after - 1)));
    this.svg.replaceChildren(...this.bars(buckets, first, after));
  }

  private bars(buckets: readonly number[], first: number, after: number): SVGElement[] {
    const step = WIDE / (after - first);
    const most = Math.max(1, ...buckets);
    const made = [makeSvg('line', { x1: 0, x2: WIDE, y1: TALL + 0.5, y2: TALL + 0.5, 'vector-effect': 'non-scaling-stroke' })];
    for (let bucket = first; bucket < after; bucket++) {
      const n = buckets[bucket] || 0;
      const tall = Math.max(2, (n / most) * TALL);
      const x = (bucket - first) * step + 0.75;
      if (n) made.push(makeSvg('rect', { x, y: TALL - tall, width: step - 1.5, height: tall }));
    }
    return made;
  }
}
