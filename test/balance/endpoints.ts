import type { Picker } from "../../src/balance/picker.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";

/** What the tests call where the method does not matter. */
export const call = { serviceMethod: "Foo.Sum" };

/** A list as a discovery gives it: `tcp@name:1` for each, sorted, frozen. */
export function endpoints(...names: string[]): readonly Endpoint[] {
  return listOf(names.map((name) => server(name)));
}

export function server(
  name: string,
  told: Pick<Endpoint, "weight" | "load" | "zone"> = {},
): Endpoint {
  return Object.freeze({
    address: `tcp@${name}:1`,
    services: undefined,
    ...told,
  });
}

export function listOf(servers: readonly Endpoint[]): readonly Endpoint[] {
  return Object.freeze(
    servers.toSorted((left, right) => (left.address < right.address ? -1 : 1)),
  );
}

/** The addresses of so many picks one after another. */
export function picks(
  picker: Picker,
  list: readonly Endpoint[],
  count: number,
): string[] {
  return Array.from({ length: count }, () => picker.pick(list, call).address);
}

/** How often each address is there. */
export function shares(addresses: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const address of addresses) {
    counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  return counts;
}
