import type { Bucket } from "../metrics/histogram.ts";

/** Of the longest bar, in columns. */
const mostColumns = 40;
/** A column in eighths. */
const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/**
 * How latencies are distributed, for a terminal: a line for each doubling of
 * the time between the fastest call and the slowest, its bar as long as calls
 * are many.
 */
export function renderLatencies(buckets: readonly Bucket[]): string[] {
  const doublings = doublingsOf(buckets);
  const total = doublings.reduce((sum, [, count]) => sum + count, 0);
  const most = Math.max(...doublings.map(([, count]) => count));
  const [last = [0, 0]] = doublings.slice(-1);
  const width = timeText(last[0]).length;
  return doublings.map(([upTo, count]) => {
    const time = `< ${timeText(upTo).padStart(width)} µs`;
    const share = `${((count / total) * 100).toFixed(2)} %`.padStart(8);
    return `${time}  ${share}  ${barOf(count / most)}`.trimEnd();
  });
}

/** The buckets put together by the power of two that they stay below, with those between that are empty. */
function doublingsOf(buckets: readonly Bucket[]): Bucket[] {
  const counts = new Map<number, number>();
  for (const [upTo, count] of buckets) {
    const exponent = Math.floor(Math.log2(Math.max(1, upTo))) + 1;
    counts.set(exponent, (counts.get(exponent) ?? 0) + count);
  }
  const exponents = [...counts.keys()];
  const [first, last] = [Math.min(...exponents), Math.max(...exponents)];
  const doublings: Bucket[] = [];
  for (let exponent = first; exponent <= last; exponent++) {
    doublings.push([2 ** exponent, counts.get(exponent) ?? 0]);
  }
  return doublings;
}

function timeText(us: number): string {
  return us.toLocaleString("en-US");
}

/** A part of the longest bar; what is not nothing can be seen. */
function barOf(part: number): string {
  const columns = Math.max(part * mostColumns, part > 0 ? 1 / 8 : 0);
  const whole = Math.floor(columns);
  return "█".repeat(whole) + (eighths[Math.floor((columns - whole) * 8)] ?? "");
}
