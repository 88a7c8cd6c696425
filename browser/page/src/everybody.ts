/** The whole server, as its feed tells it once a second. */
import { Vital } from '../../src/index.js';
import { Chart } from './chart.js';
import { byId, make, setText } from './dom.js';
import { Table } from './table.js';
import type { Connection } from './table.js';
import { bytes, count, share, span } from './words.js';

interface Histogram {
  count: number;
  buckets: number[];
}

interface Told {
  up_ms: number;
  loops: number;
  echoing: number;
  watching: number;
  doubtful: number;
  draining: boolean;
  stats: {
    open: number;
    opened: number;
    closed: Record<string, number>;
    sent: number;
    answered: number;
    late: number;
    heard: number;
    queue: number;
    rtt: Histogram;
  };
  connections: Connection[];
}

/** Beats a second over so many seconds: one second alone would jump. */
const RATE_OVER = 5;

export class Everybody {
  private readonly chart = new Chart(byId('all-rtt'));
  private readonly table = new Table();
  private readonly recent: { at: number; beats: number }[] = [];

  constructor(url: string) {
    const feed = new Vital(url);
    feed.onopen = () => setText(byId('feed-note'), '');
    feed.onmessage = ({ data }) => this.show(JSON.parse(data));
    feed.onverdict = () => setText(byId('feed-note'), 'The feed is away, and comes back; this is the last that it told.');
  }

  private rate(at: number, beats: number): string {
    this.recent.push({ at, beats });
    if (this.recent.length > RATE_OVER + 1) this.recent.shift();
    const first = this.recent[0]!;
    if (at < first.at || beats < first.beats) this.recent.splice(0, this.recent.length - 1); // it was restarted
    return at > first.at ? (((beats - first.beats) * 1000) / (at - first.at)).toFixed(1) : '–';
  }

  private show(told: Told): void {
    const { stats, connections } = told;
    byId('all').hidden = false;
    setText(byId('all-open'), count(stats.open));
    setText(byId('all-beats'), this.rate(told.up_ms, stats.sent + stats.heard));
    setText(byId('all-late'), share(stats.late, stats.sent));
    setText(byId('all-doubtful'), count(told.doubtful));
    setText(byId('all-queue'), bytes(stats.queue));
    setText(byId('all-up'), span(told.up_ms));
    this.chart.show(stats.rtt.buckets);
    this.showCauses(stats.closed);
    this.table.show(connections);
    const unlisted = told.echoing - connections.length;
    const pages = stats.open - told.echoing;
    setText(
      byId('left-out'),
      (unlisted > 0 ? `These are the ${count(connections.length)} that came last; ${count(unlisted)} more are open. ` : '') +
        `${count(pages)} ${pages === 1 ? 'other connection is a page that watches' : 'other connections are of pages that watch'}.`,
    );
    if (told.draining) setText(byId('feed-note'), 'The server was asked to end, and will close its connections.');
  }

  private showCauses(closed: Record<string, number>): void {
    const all = Object.entries(closed).sort(([, a], [, b]) => b - a);
    const most = Math.max(1, ...Object.values(closed));
    byId('no-cause').hidden = all.length > 0;
    byId('causes').replaceChildren(
      ...all.flatMap(([cause, n]) => {
        const bar = make('i', cause.startsWith('CLOSED') ? 'calm' : '');
        bar.style.width = `${Math.max(2, (n / most) * 100)}%`;
        return [make('span', '', cause), bar, make('b', '', count(n))];
      }),
    );
  }
}
