/**
 * The electrocardiogram: the last minute, from the left to now. A spike for each
 * beat at the moment of its answer, as high as its round trip; what was late goes
 * below the line as well; a span without life is flat.
 */
import type { Condition, History } from './history.js';

const WINDOW_MS = 60_000;
const NARROW_MS = 30_000;
const NARROW_PX = 600;
const RULE_MS = 5_000;
const LEAST_SPIKE_PX = 8;
/** Of the height: where the line runs, and where the highest spike may reach. In between
 * heights are square roots, so that one slow answer does not flatten all others. */
const BASE = 0.7;
const TOP = 0.14;

/** The shape of one beat where a second has SECOND_PX: x in px, y as a part of its height, upwards. */
const BEAT_SHAPE = [[-6, 0], [-4.5, 0.07], [-3, 0], [-1.8, -0.1], [0, 1], [1.8, -0.18], [3, 0], [4.5, 0.1], [6.5, 0]] as const;
const SECOND_PX = 17;
const NOTCH_PX = 22;

/** 1, 2 or 5 of some power of ten, not below `most`. */
function niceScale(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 0.5)));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= most)!;
}

export class Strip {
  private readonly context: CanvasRenderingContext2D;
  private colours: Record<string, string> = {};
  private width = 0;
  private height = 0;

  constructor(private readonly canvas: HTMLCanvasElement, private readonly history: History) {
    this.context = canvas.getContext('2d')!;
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', () => this.readColours());
    this.readColours();
    new ResizeObserver(() => this.fit()).observe(canvas);
  }

  private readColours(): void {
    const style = getComputedStyle(document.documentElement);
    for (const name of ['alive', 'doubt', 'dead', 'away', 'grid', 'line', 'soft', 'card', 'mono']) {
      this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }

  private fit(): void {
    const ratio = devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw(Date.now());
  }

  private colourOf(condition: Condition): string {
    return this.colours[condition === 'doubtful' ? 'doubt' : condition]!;
  }

  draw(now: number): void {
    const { context, width, height, history } = this;
    if (!width) return;
    const span = width < NARROW_PX ? NARROW_MS : WINDOW_MS;
    const x = (at: number): number => width - 20 - ((now - at) / span) * (width - 20);
    const shown = history.beats.filter((beat) => beat.at > now - span - 1000);
    const scale = niceScale(Math.max(0, ...shown.map((beat) => beat.rtt)));
    const base = height * BASE;
    const rise = (rtt: number): number => height * (BASE - TOP) * Math.sqrt(rtt / scale);

    context.clearRect(0, 0, width, height);
    this.rule(now, span, x, base, [scale, scale / 4].map((rtt) => [rtt, base - rise(rtt)] as const));

    const path = new Path2D();
    const slim = Math.min(1, ((width - 20) * 1000) / span / SECOND_PX);
    let drawn = 0;
    path.moveTo(0, base);
    for (const beat of shown) {
      const tall = Math.max(LEAST_SPIKE_PX, rise(beat.rtt));
      for (const [dx, y] of BEAT_SHAPE) {
        const px = x(beat.at) + dx * slim;
        if (px < drawn) continue; // the last beat was only just before
        drawn = px;
        path.lineTo(px, base - y * tall + (beat.late && y < -0.15 ? NOTCH_PX : 0));
      }
    }
    path.lineTo(x(now), base);

    context.lineWidth = 1.75;
    context.lineJoin = 'round';
    history.spans.forEach((part, i) => {
      const from = Math.max(0, x(part.from));
      const to = i + 1 < history.spans.length ? x(history.spans[i + 1]!.from) : width;
      if (to <= 0) return;
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, height);
      context.clip();
      context.strokeStyle = this.colourOf(part.condition);
      context.setLineDash(part.condition === 'away' ? [2, 5] : []);
      context.stroke(path);
      context.restore();
    });
    this.repaintLate(shown, x, path, slim);
    this.markVerdicts(x, base);
    context.fillStyle = this.colourOf(history.condition);
    context.beginPath();
    context.arc(x(now), base, 4, 0, 7);
    context.fill();
  }

  /** A beat that came late is told from the others, though it came. */
  private repaintLate(beats: History['beats'], x: (at: number) => number, path: Path2D, slim: number): void {
    const { context } = this;
    const half = 7 * slim;
    for (const { at, late } of beats) {
      if (!late) continue;
      context.save();
      context.beginPath();
      context.rect(x(at) - half, 0, 2 * half, this.height);
      context.clip();
      context.strokeStyle = this.colours.doubt!;
      context.stroke(path);
      context.restore();
    }
  }

  private rule(now: number, span: number, x: (at: number) => number, base: number, levels: (readonly [number, number])[]): void {
    const { context, width, height, colours } = this;
    context.strokeStyle = colours.grid!;
    context.lineWidth = 1;
    context.beginPath();
    for (let at = Math.ceil((now - span) / RULE_MS) * RULE_MS; at < now; at += RULE_MS) {
      const px = Math.round(x(at)) + 0.5;
      context.moveTo(px, 0);
      context.lineTo(px, height);
    }
    for (const y of [base, ...levels.map(([, y]) => y)]) {
      context.moveTo(0, Math.round(y) + 0.5);
      context.lineTo(width, Math.round(y) + 0.5);
    }
    context.stroke();
    context.fillStyle = colours.soft!;
    context.font = `11px ${colours.mono}`;
    context.textBaseline = 'bottom';
    context.textAlign = 'left';
    for (const [rtt, y] of levels) this.label(`${rtt < 1000 ? `${rtt} ms` : `${rtt / 1000} s`}`, 12, y - 3);
    this.label(`${span / 1000} s ago`, 12, height - 8);
    context.textAlign = 'right';
    this.label('now', width - 12, height - 8);
  }

  /** On a piece of bare paper, so that no line runs through it. */
  private label(text: string, px: number, py: number): void {
    const { context, colours } = this;
    const wide = context.measureText(text).width + 6;
    const fill = context.fillStyle;
    context.fillStyle = colours.card!;
    context.fillRect(context.textAlign === 'left' ? px - 3 : px - wide + 3, py - 13, wide, 14);
    context.fillStyle = fill;
    context.fillText(text, px, py);
  }

  private markVerdicts(x: (at: number) => number, base: number): void {
    const { context, colours } = this;
    let free = 0;
    context.fillStyle = colours.dead!;
    context.font = `600 11px ${colours.mono}`;
    context.textAlign = 'right';
    for (const { at, word } of this.history.marks) {
      const right = x(at);
      const wide = context.measureText(word).width;
      if (right - wide < free) continue; // two words would be none
      context.fillText(word, right, base + 28);
      free = right + 8;
    }
  }
}
