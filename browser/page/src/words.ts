/** Times and amounts as people read them. None is wider than it need be, so that nothing jumps. */

/** A round trip: "0.34 ms", "12.3 ms", "840 ms", "2.1 s". */
export function milliseconds(ms: number): string {
  if (!(ms >= 0)) return '–';
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms >= 10 ? ms.toFixed(1) : ms.toFixed(2)} ms`;
}

/** How long ago, or for how long: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "4 d 3 h". */
export function span(ms: number): string {
  if (!(ms >= 0)) return '–';
  const s = ms / 1000;
  const two = (large: number, small: number, units: string[]): string =>
    small ? `${large} ${units[0]} ${small} ${units[1]}` : `${large} ${units[0]}`;
  if (s < 10) return `${s.toFixed(1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return two(minutes, Math.floor(s % 60), ['min', 's']);
  const hours = Math.floor(minutes / 60);
  return hours < 48
    ? two(hours, minutes % 60, ['h', 'min'])
    : two(Math.floor(hours / 24), hours % 24, ['d', 'h']);
}

export function bytes(size: number): string {
  if (size < 1024) return `${size} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let unit = -1;
  for (; size >= 1024 && unit < 3; unit++) size /= 1024;
  return `${size < 10 ? size.toFixed(1) : size.toFixed(0)} ${units[unit]}`;
}

/** With thin spaces between thousands. */
export const count = (n: number): string => `${n}`.replace(/\B(?=(\d{3})+$)/g, '\u2009');

export function share(part: number, whole: number): string {
  if (!whole) return '–';
  const percent = (100 * part) / whole;
  return `${percent === 0 || percent >= 10 ? percent.toFixed(0) : percent.toFixed(1)} %`;
}

export const clockTime = (at: number): string => new Date(at).toTimeString().slice(0, 8);
