/** With `vital serve --demo`: buttons that hurt the visitor's own connection. */
import { Vital } from '../../src/index.js';
import { byId, setText } from './dom.js';

const FREEZE_MS = 20_000;

const DONE: Record<string, string> = {
  freeze: 'The server reads and answers nothing of yours now.',
  release: 'The server answers again.',
  silence: 'Nothing that you send arrives any more, and nothing comes back.',
  cut: 'The stream has ended without a goodbye.',
};

export class Hurt {
  private control: Vital | undefined;
  private readonly freeze = byId<HTMLButtonElement>('freeze');

  /** `key` is the name of the socket of now. */
  constructor(private readonly url: string, private readonly key: () => string) {
    byId('hurt').hidden = false;
    this.freeze.onclick = () => this.order(this.frozen ? 'release' : 'freeze');
    byId('silence').onclick = () => this.order('silence');
    byId('cut').onclick = () => this.order('cut');
  }

  private get frozen(): boolean {
    return this.freeze.ariaPressed === 'true';
  }

  /** There is another socket now, and nothing is wrong with it. */
  healed(): void {
    this.press(false);
    if (byId('hurt-said').textContent) setText(byId('hurt-said'), 'This is another socket, and nothing is wrong with it.');
  }

  private press(frozen: boolean): void {
    this.freeze.ariaPressed = `${frozen}`;
    setText(this.freeze, frozen ? 'Let it answer again' : 'Freeze the server’s answers');
  }

  private order(what: string): void {
    this.control ??= this.open();
    this.control.send(JSON.stringify({ do: what, key: this.key(), ms: FREEZE_MS }));
  }

  private open(): Vital {
    const control = new Vital(this.url);
    control.onmessage = ({ data }) => {
      const answer = JSON.parse(data);
      setText(byId('hurt-said'), answer.done ? DONE[answer.do]! : `Not done: ${answer.why}.`);
      if (answer.done && answer.do === 'freeze') this.press(true);
      if (answer.done && answer.do === 'release') this.press(false);
    };
    return control;
  }
}
