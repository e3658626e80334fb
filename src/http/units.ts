/** A duration as people read it, to three digits: `0.4 µs`, `12 µs`, `1.25 ms`, `3.4 s`, `12 min`. */
export function durationText(us: number): string {
  if (us < 999.5) return `${threeDigits(us)} µs`;
  if (us < 999_500) return `${threeDigits(us / 1_000)} ms`;
  if (us < 120_000_000) return `${threeDigits(us / 1_000_000)} s`;
  return `${Math.round(us / 60_000_000)} min`;
}

/** How long something has been up, in its two largest units: `42 s`, `5 min 12 s`, `3 d 4 h`. */
export function uptimeText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [days, hours, minutes] = [86_400, 3_600, 60].map((unit) =>
    Math.floor(seconds / unit),
  ) as [number, number, number];
  if (days > 0) return `${days} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  if (minutes > 0) return `${minutes} min ${seconds % 60} s`;
  return `${seconds} s`;
}

/** A count with its thousands apart: `12,345`. */
export function countText(count: number): string {
  return count.toLocaleString("en-US");
}

/** Text of a peer or a user as a page may carry it. */
export function cutTo(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars - 1)}…`;
}

function threeDigits(value: number): string {
  const digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return String(Number(value.toFixed(digits)));
}
