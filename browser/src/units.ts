/** Times and sizes as people write them. */

/** Milliseconds, or a number with its unit: '250ms', '25s', '2m', '1h'. */
export type Duration = number | string;

/** Bytes, or a number with its unit: '64 KiB', '1 MiB'. */
export type Size = number | string;

const times: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 36e5 };
const sizes: Record<string, number> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20 };

function amount(name: string, value: number | string, units: Record<string, number>): number {
  const [, digits, unit] = /^([\d.]+) *(\w+)$/.exec(value as string) || [];
  const result = value === +value ? value : +digits! * units[unit!]!;
  if (result >= 0) return result;
  throw RangeError(`${name}: ${value} is no number with a unit of ${Object.keys(units)}`);
}

export const milliseconds = (name: string, value: Duration): number => amount(name, value, times);
export const bytes = (name: string, value: Size): number => amount(name, value, sizes);
