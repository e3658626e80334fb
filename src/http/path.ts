/**
 * The path of a request's URL. Bun gives the bare path where there was no Host
 * header, or none of use, and a URL that cannot be parsed where it has
 * brackets: then it is undefined.
 */
export function pathOf(url: string): string | undefined {
  return URL.parse(url, "http://localhost")?.pathname;
}
