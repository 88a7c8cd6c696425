/**
 * The page at / of `vital serve`: one connection of the visitor's own, opened with
 * vital.js, and the whole server, if the visitor may see it.
 */
import { Vital } from '../../src/index.js';
import { byId, setText } from './dom.js';
import { Everybody } from './everybody.js';
import { Hurt } from './hurt.js';
import { You } from './you.js';

interface About {
  version: string;
  demo: boolean;
  beat: string;
  /** Whether this visitor may see the feed, or what is missing. */
  feed: 'open' | 'token' | 'local';
}

declare global {
  /** For whoever looks into the console. */
  var vital: Vital;
}

const socket = location.origin.replace(/^http/, 'ws');

async function ask(token: string): Promise<About> {
  const answer = await fetch(`/vital/about${token && `?token=${encodeURIComponent(token)}`}`);
  return answer.json();
}

function watch(about: About, token: string): void {
  const form = byId<HTMLFormElement>('token-form');
  form.hidden = about.feed !== 'token';
  if (about.feed === 'open') {
    setText(byId('feed-note'), '');
    new Everybody(`${socket}/vital/feed${token && `?token=${encodeURIComponent(token)}`}`);
  } else if (about.feed === 'local') {
    setText(byId('feed-note'), 'Only visitors from the server’s own machine may see its other connections. Others can, with a token, if it was started with vital serve --token.');
  } else {
    setText(byId('feed-note'), token ? 'That is not the token.' : 'The other connections are for those who have the token.');
    form.onsubmit = async (event) => {
      event.preventDefault();
      const given = byId<HTMLInputElement>('token').value;
      if (given) watch(await ask(given), given);
    };
  }
}

async function main(): Promise<void> {
  // In the fragment, which no server and no log sees: /#token=...
  const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? '';
  const about = await ask(token);
  const you = new You(`${socket}/`, about.beat);
  globalThis.vital = you.connection;
  setText(byId('where'), `${socket}/`);
  setText(byId('about'), `vital ${about.version}. Your connection is named vital in the console. A beat every second of silence; an answer is awaited for four.`);
  byId('no-demo').hidden = about.demo;
  if (about.demo) {
    const hurt = new Hurt(`${socket}/vital/demo`, () => you.key);
    you.onopen = () => hurt.healed();
  }
  watch(about, token);
}

void main();
