/**
 * The message box: what was said, and what became of it. The server echoes in
 * order, so the next echo is that of the oldest message that is under way.
 */
import type { Vital, Verdict } from '../../src/index.js';
import { byId, make, setText } from './dom.js';
import { milliseconds } from './words.js';

const SHOWN = 5;

interface Said {
  readonly text: string;
  readonly at: number;
  readonly row: HTMLLIElement;
  readonly fate: HTMLSpanElement;
}

export class Messages {
  private underWay: Said[] = [];
  private readonly list = byId('said');

  constructor(private readonly connection: Vital) {
    const text = byId<HTMLInputElement>('text');
    byId<HTMLFormElement>('say').addEventListener('submit', (event) => {
      event.preventDefault();
      if (text.value) this.say(text.value);
      text.value = '';
    });
    connection.addEventListener('message', ({ data }) => this.came(data));
    connection.addEventListener('verdict', ({ verdict }) => this.lost(verdict));
  }

  private say(text: string): void {
    const fate = make('span', '', 'waits');
    const row = make('li', '', make('q', '', text), fate);
    byId('nothing-said').hidden = true;
    this.list.prepend(row);
    while (this.list.children.length > SHOWN) this.list.lastElementChild!.remove();
    try {
      this.connection.send(text);
      this.underWay.push({ text, at: performance.now(), row, fate });
    } catch (error) {
      row.className = 'lost';
      setText(fate, (error as Error).message);
    }
  }

  private came(text: unknown): void {
    const oldest = this.underWay[0];
    if (!oldest || oldest.text !== text) return; // said by somebody else, in the console
    this.underWay.shift();
    oldest.row.className = 'back';
    setText(oldest.fate, `back after ${milliseconds(performance.now() - oldest.at)}`);
  }

  /** The last so many are kept for the next socket; the others had left, and have no echo. */
  private lost({ unsent, final }: Verdict): void {
    const kept = final ? 0 : Math.min(unsent, this.underWay.length);
    for (const { row, fate } of this.underWay.splice(0, this.underWay.length - kept)) {
      row.className = 'lost';
      setText(fate, 'left, and never came back');
    }
  }
}
