/**
 * A clock that goes on while the machine sleeps, never goes back, and is as
 * fine as the host allows.
 *
 * The wall clock alone jumps when somebody sets it; the steady one stands still
 * during sleep, on some systems. Where the two drift apart by more than a
 * second at once, we slept, or the wall clock was set forward, which is then
 * taken for a sleep and costs no more than a beat.
 */
const JUMP_MS = 1000;

export function makeClock(wall: () => number, steady: () => number): () => number {
  let drift = wall() - steady();
  let slept = 0;
  return () => {
    const now = steady();
    const jump = wall() - now - drift;
    if (Math.abs(jump) > JUMP_MS) {
      drift += jump;
      slept += Math.max(0, jump);
    }
    return now + slept;
  };
}
