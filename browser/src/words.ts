/**
 * What a verdict says, in one sentence: what happened and how we know. The words
 * are the C client's, as far as a script can know what it knows.
 */
import { closeWords, idleLimits } from './shared.js';
import { invitation, rowOf } from './verdict.js';
import type { Circumstances, Verdict } from './verdict.js';

/** As exact as a person needs it: "0.4 s", "9.8 s", "75 s", "12 min", "5 h". */
export function inWords(ms: number): string {
  const s = ms / 1000;
  if (s < 99) return `${+s.toFixed(1)} s`;
  if (s < 600) return `${Math.floor(s)} s`;
  return s < 7200 ? `${Math.floor(s / 60)} min` : `${Math.floor(s / 3600)} h`;
}

/** Words that are not ours go to logs and terminals: nothing in them may steer. */
const tame = (words: string): string =>
  words.replace(/[\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, '?');

function closed(who: string, code: number, reason: string): string {
  const words = closeWords[code] || (code < 3000 ? '' : "an application's code");
  return (
    `${who} closed the connection` +
    (words ? `: ${code} ${words}` : who == 'We' ? '' : ' without a code') +
    (reason && reason != words ? `, "${tame(reason)}"` : '')
  );
}

function silent({ beatsAnswered }: Verdict, { _quietMs: quietMs, _stuck: stuck }: Circumstances): string {
  return (
    `${stuck ? 'Our heartbeat message could not leave' : 'No answer to our heartbeat message'}` +
    ` for ${inWords(quietMs!)}, and nothing ${stuck ? '' : 'else '}was heard: ` +
    'the path or the peer is gone' +
    (beatsAnswered || stuck ? '' : ', or does not know this heartbeat, as it never answered one')
  );
}

function cut(heardMs: number): string {
  const limit = idleLimits.find(([s]) => Math.abs(heardMs - s * 1000) <= 1500);
  return (
    'The connection ended without a close frame' +
    (heardMs < 100 ? '' : ` after ${inWords(heardMs)} of silence`) +
    (limit ? `; ${limit[1]} idle connections after ${limit[0]} s` : '')
  );
}

function said(verdict: Verdict, known: Circumstances): string {
  const { cause, code, reason, status } = verdict;
  const also = (lead: string): string => (known.what ? lead + tame(known.what) : '');
  switch (cause) {
    case 'CLOSED_BY_US':
      return closed('We', code, reason) + also('; ');
    case 'CLOSED_BY_PEER': {
      const [end, , from, to] = invitation.exec(reason) || [];
      const counts = end && !verdict.final && +from! <= +to! && rowOf(cause, code)[4];
      return (
        closed('The peer', code, counts ? reason.slice(0, -end.length) : reason) +
        (counts ? `; it asks us to come back in ${+from!} to ${+to!} s` : '') +
        also('; ')
      );
    }
    case 'SILENT':
      return silent(verdict, known);
    case 'CUT':
      return cut(verdict.heardMs) + also('; ');
    case 'REJECTED':
      return `The server answered ${status}${also(' ')} instead of upgrading`;
    case 'UNREACHABLE':
      return `No connection could be made${also(': ') || ': a script is not told why'}`;
    case 'UNTRUSTED':
      return `TLS established no trust${also(': ')}`;
    case 'MISBEHAVED':
      return `The peer broke the protocol${also(': ')}`;
  }
}

/** What is lost with a connection that does not come back. After an orderly close
 * that a message was not confirmed is the rule, and no news. */
function lost({ cause, final, unsent, unconfirmed }: Verdict): string {
  const orderly = cause == 'CLOSED_BY_US' || cause == 'CLOSED_BY_PEER';
  const some = (n: number, what: string): string[] =>
    n ? [`${n} message${n == 1 ? ' was' : 's were'} ${what}`] : [];
  const words = [
    ...some(unsent, 'not sent'),
    ...some(orderly ? 0 : unconfirmed, 'sent without proof of arrival'),
  ];
  return final && words.length ? ` ${words.join(', ')}.` : '';
}

export const describe = (verdict: Verdict, known: Circumstances): string =>
  `${said(verdict, known)}.${lost(verdict)}`;
