/**
 * Numbers with a name. In a file of their own, without imports: where they are used
 * the build writes the number itself.
 */
export const CONNECTING = 0;
export const OPEN = 1;
export const CLOSING = 2;
export const CLOSED = 3;

export const NO_CODE = 1005;
export const ABNORMAL = 1006;
/** A script may not say 1001, so this is our "going away". */
export const GOING_AWAY = 4001;
export const NO_ANSWER = 4408;
export const LONGEST_REASON_BYTES = 123;

/** For the closing handshake. */
export const CLOSE_MS = 5_000;
/** A page that comes and goes tries no more often than this because of it. */
export const WAKE_EVERY_MS = 10_000;
/** Of a connection that was not made, and of a goodbye. */
export const LATE = 'no answer in time';
/** setTimeout takes no more. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** A typing error in a Retry-After must not end a connection that heals itself. */
export const RETRY_AFTER_MAX_S = 3600;
/** What a message costs besides its bytes, so that empty ones are bounded too. */
export const OVERHEAD_BYTES = 64;
