/** Methods or services with a place of their own: their names are made up by callers. */
const maxNames = 1_024;

/** Lets one more name into `places`: where there are 1,024 the one that came first goes. */
export function makeRoom(places: Map<string, unknown>): void {
  if (places.size < maxNames) return;
  for (const oldest of places.keys()) {
    places.delete(oldest);
    break;
  }
}
