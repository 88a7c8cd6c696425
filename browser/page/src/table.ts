/**
 * The connections of the whole server, a row each. Rows are kept from one second
 * to the next, and while somebody points at the table it is not sorted anew, so
 * that nothing moves away beneath the pointer.
 */
import { byId, facts, make, makeSvg, setText } from './dom.js';
import { bytes, count, milliseconds, span } from './words.js';

export interface Connection {
  id: number;
  peer: string;
  open_ms: number;
  rtt_ms: number | null;
  srtt_ms: number | null;
  heard_ms: number | null;
  proof_ms: number | null;
  sent: number;
  answered: number;
  queue: number;
  doubtful: boolean;
  hurt: string | null;
}

const PULSE_BEATS = 30;

interface Column {
  readonly title: string;
  readonly wide: string;
  readonly number?: boolean;
  /** null sorts last, whichever way. */
  readonly key: (of: Connection) => number | string | null;
  readonly text?: (of: Connection) => string;
}

const healthOf = ({ hurt, doubtful }: Connection): string => hurt || (doubtful ? 'doubtful' : 'alive');
const unknown = (ms: number | null): number => ms ?? -1;

const COLUMNS: readonly Column[] = [
  { title: 'No.', wide: '10%', key: (of) => of.id, text: (of) => `#${of.id}` },
  { title: 'Peer', wide: '21%', key: (of) => of.peer, text: (of) => of.peer },
  { title: 'Health', wide: '12%', key: healthOf, text: healthOf },
  { title: 'Open for', wide: '13%', number: true, key: (of) => of.open_ms, text: (of) => span(of.open_ms) },
  { title: 'Last heard', wide: '11%', number: true, key: (of) => of.heard_ms, text: (of) => span(unknown(of.heard_ms)) },
  { title: 'Round trip', wide: '12%', number: true, key: (of) => of.rtt_ms, text: (of) => milliseconds(unknown(of.rtt_ms)) },
  { title: 'Pulse', wide: '12%', key: (of) => of.answered },
  { title: 'In queue', wide: '9%', number: true, key: (of) => of.queue, text: (of) => bytes(of.queue) },
];
const PULSE = COLUMNS.findIndex((column) => !column.text);

class Row {
  readonly element = make('tr');
  readonly drawer = make('tr', 'drawer');
  private readonly details = make('td');
  private readonly button = make('button');
  private readonly trace = makeSvg('path', { d: '' });
  private readonly trips: number[] = [];
  private answered = -1;

  constructor(public of: Connection) {
    this.button.type = 'button';
    this.button.ariaExpanded = 'false';
    this.button.onclick = () => this.toggle();
    const svg = makeSvg('svg', { viewBox: '0 0 100 28', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
    svg.append(this.trace);
    COLUMNS.forEach((column, i) => {
      const cell = make('td', column.number ? 'number' : column.title === 'Health' ? 'health' : '');
      if (i === 0) cell.append(this.button);
      if (i === PULSE) cell.append(svg);
      this.element.append(cell);
    });
    this.details.colSpan = COLUMNS.length;
    this.drawer.hidden = true;
    this.drawer.append(this.details);
    this.update(of);
  }

  update(of: Connection): void {
    this.of = of;
    this.element.classList.toggle('doubtful', of.doubtful);
    this.element.classList.toggle('wounded', !!of.hurt);
    COLUMNS.forEach((column, i) => {
      if (column.text) setText(i ? this.element.cells[i]! : this.button, column.text(of));
    });
    if (of.answered !== this.answered && of.rtt_ms !== null) this.trips.push(of.rtt_ms);
    if (this.trips.length > PULSE_BEATS) this.trips.shift();
    this.answered = of.answered;
    this.trace.setAttribute('d', this.path());
    if (!this.drawer.hidden) this.tell();
  }

  /** A spike for each beat, as on the strip above. */
  private path(): string {
    const most = Math.max(...this.trips, 0.001);
    const step = 100 / PULSE_BEATS;
    const start = 100 - this.trips.length * step;
    const spikes = this.trips.map((rtt, i) => {
      const x = start + i * step;
      const y = 24 - Math.max(4, (rtt / most) * 20);
      return `L${x.toFixed(1)} 24L${(x + 1).toFixed(1)} ${y.toFixed(1)}L${(x + 2).toFixed(1)} 24`;
    });
    return `M0 24${spikes.join('')}L100 24`;
  }

  private toggle(): void {
    this.drawer.hidden = !this.drawer.hidden;
    this.button.ariaExpanded = `${!this.drawer.hidden}`;
    if (!this.drawer.hidden) this.tell();
  }

  private tell(): void {
    const { of } = this;
    this.details.replaceChildren(
      facts([
        ['Peer', of.peer],
        ['Health', healthOf(of)],
        ['Last round trip', milliseconds(unknown(of.rtt_ms))],
        ['Smoothed', milliseconds(unknown(of.srtt_ms))],
        ['Last heard', `${span(unknown(of.heard_ms))} ago`],
        ['Last beat answered', of.proof_ms === null ? 'never' : `${span(of.proof_ms)} ago`],
        ['Our beats, answered', `${count(of.answered)} of ${count(of.sent)}`],
        ['Waits to be sent', bytes(of.queue)],
      ]),
    );
  }
}

export class Table {
  private readonly rows = new Map<number, Row>();
  private readonly table = byId<HTMLTableElement>('table');
  private readonly body = this.table.tBodies[0]!;
  private column = 0;
  private ascending = false;

  constructor() {
    COLUMNS.forEach((column, i) => {
      const button = make('button', '', column.title);
      const head = make('th', column.number ? 'number' : '', button);
      head.scope = 'col';
      head.width = column.wide;
      button.type = 'button';
      button.onclick = () => this.sortBy(i);
      this.table.tHead!.rows[0]!.append(head);
    });
    this.showOrder();
  }

  show(connections: readonly Connection[]): void {
    const gone = new Set(this.rows.keys());
    for (const of of connections) {
      const row = this.rows.get(of.id);
      gone.delete(of.id);
      if (row) row.update(of);
      else this.rows.set(of.id, new Row(of));
    }
    for (const id of gone) {
      const row = this.rows.get(id)!;
      row.element.remove();
      row.drawer.remove();
      this.rows.delete(id);
    }
    this.sort(this.table.matches(':hover'));
  }

  private sortBy(column: number): void {
    this.ascending = column === this.column ? !this.ascending : !!COLUMNS[column]!.number === false && column > 0;
    this.column = column;
    this.showOrder();
    this.sort(false);
  }

  private showOrder(): void {
    [...this.table.tHead!.rows[0]!.cells].forEach((head, i) => {
      if (i === this.column) head.ariaSort = this.ascending ? 'ascending' : 'descending';
      else head.removeAttribute('aria-sort');
    });
  }

  private compare(a: Row, b: Row): number {
    const { key } = COLUMNS[this.column]!;
    const [one, other] = [key(a.of), key(b.of)];
    if (one === null || other === null) return one === other ? b.of.id - a.of.id : one === null ? 1 : -1;
    const order = one < other ? -1 : one > other ? 1 : 0;
    return (this.ascending ? order : -order) || b.of.id - a.of.id;
  }

  /** `held`: what is there stays where it is, and what is new comes after it. */
  private sort(held: boolean): void {
    const rows = [...this.rows.values()];
    const wanted = held
      ? rows.sort((a, b) => (a.element.isConnected ? a.element.rowIndex : 1e9) - (b.element.isConnected ? b.element.rowIndex : 1e9))
      : rows.sort((a, b) => this.compare(a, b));
    let before: Element | null = null;
    for (const { element, drawer } of wanted) {
      for (const part of [element, drawer]) {
        // Moved only if it must be: what is moved loses the focus.
        const after: Element | null = before ? before.nextElementSibling : this.body.firstElementChild;
        if (after !== part) this.body.insertBefore(part, after);
        before = part;
      }
    }
  }
}
