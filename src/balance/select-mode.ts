import type { Random } from "../base/random.ts";
import { RpcError } from "../errors.ts";
import { ConsistentHashPicker } from "./consistent-hash.ts";
import { GuardedPicker } from "./guarded-picker.ts";
import { LeastLoadedPicker } from "./least-loaded.ts";
import type { Picker, PickerFactory } from "./picker.ts";
import { RandomPicker } from "./random.ts";
import { RoundRobinPicker } from "./round-robin.ts";
import { WeightedPicker } from "./weighted.ts";
import { ZonePicker } from "./zone.ts";

const factories = new Map<string, PickerFactory>([
  ["random", (random) => new RandomPicker(random)],
  ["round-robin", (random) => new RoundRobinPicker(random)],
  ["weighted", (random) => new WeightedPicker(random)],
  ["least-loaded", (random) => new LeastLoadedPicker(random)],
  ["consistent-hash", (random) => new ConsistentHashPicker(random)],
  [
    "zone",
    (random, zone) =>
      new ZonePicker(random, zone, () => new RoundRobinPicker(random)),
  ],
]);

/**
 * Adds a way to choose servers, for this process. What its pickers throw:
 * {@link GuardedPicker}.
 *
 * @throws RpcError already_exists    a mode of that name is there
 * @throws RpcError invalid_argument  the name is empty
 */
export function registerPicker(name: string, factory: PickerFactory): void {
  if (name === "") {
    throw new RpcError("invalid_argument", "a select mode needs a name");
  }
  if (factories.has(name)) {
    throw new RpcError(
      "already_exists",
      `select mode "${name}" is there already`,
    );
  }
  factories.set(
    name,
    (random, zone) => new GuardedPicker(factory(random, zone)),
  );
}

/**
 * Makes the picker of one client by the name of its mode. `zone` is where the
 * client is.
 *
 * @throws RpcError invalid_argument  no such mode; names those that there are
 */
export function createPicker(
  name: string,
  random: Random = Math.random,
  zone?: string,
): Picker {
  const factory = factories.get(name);
  if (factory === undefined) {
    throw new RpcError(
      "invalid_argument",
      `unknown select mode "${name}": write ${selectModes().join(" or ")}`,
    );
  }
  return factory(random, zone);
}

/** The names of all modes, sorted. */
export function selectModes(): readonly string[] {
  return [...factories.keys()].sort();
}
