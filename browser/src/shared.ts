// Written by tools/shared-tables from src/life/retry_table.def, src/life/verdict.c
// and src/websocket/close_code.h. Change those, and run it again.

/** From, to (close code or HTTP status), window in s (0, 0: the backoff's); without one: stop.
 * 1: what the server has told comes before the window. What matches no row comes back in the
 * backoff's window. */
export type RetryRow = readonly [from: number, to: number, low?: number, high?: number, told?: 1];

export const retryTable: Readonly<Record<string, readonly RetryRow[]>> = {
  CLOSED_BY_PEER: [
    [1000, 1000],
    [1001, 1001, 0, 0, 1],
    [1002, 1003],
    [1007, 1010],
    [1012, 1012, 5, 30, 1],
    [1013, 1013, 30, 120, 1],
    [4401, 4401],
    [4403, 4403],
  ],
  UNTRUSTED: [
    [0, 65535],
  ],
  REJECTED: [
    [408, 408, 0, 0],
    [425, 425, 0, 0],
    [429, 429, 30, 120, 1],
    [503, 503, 30, 120, 1],
    [500, 599, 0, 0],
    [0, 65535],
  ],
};

export const closeWords: Readonly<Record<number, string>> = {
  1000: 'normal closure',
  1001: 'going away',
  1002: 'protocol error',
  1003: 'unsupported data',
  1007: 'invalid payload',
  1008: 'policy violation',
  1009: 'message too big',
  1010: 'missing extension',
  1011: 'internal error',
  1012: 'service restart',
  1013: 'try again later',
  1014: 'bad gateway',
  4408: 'no answer to the heartbeat',
};

/** seconds of silence, and who ends a connection after them */
export const idleLimits: readonly (readonly [number, string])[] = [
  [55, 'Heroku closes'],
  [60, 'nginx and AWS ALB close'],
  [100, 'Cloudflare closes'],
  [240, 'Azure closes'],
  [300, 'Envoy closes'],
  [350, 'AWS NLB closes'],
];
