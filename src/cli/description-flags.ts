import type { Registrant } from "../registry/heartbeat.ts";
import { labels, weight, word } from "./description-kinds.ts";
import {
  flag,
  flagName,
  isWritten,
  type Source,
  toggle,
  type Values,
} from "./flags.ts";
import { UsageError } from "./usage-error.ts";

/** The flags by which a server says more of itself to a registry. */
export const descriptionFlags = {
  serviceVersion: flag(word("version"), "the version of what it serves"),
  weight: flag(
    weight,
    "what it can take beside the others: twice the weight, twice the calls",
  ),
  zone: flag(word("zone"), "the part of the network that it is in"),
  label: flag(labels, "what else there is to say of it"),
  reportLoad: toggle(
    "tells with each heartbeat how busy it is, so that --mode weighted gives it less",
  ),
};

interface Described {
  readonly values: Values<typeof descriptionFlags> & {
    readonly registry: readonly string[] | undefined;
  };
  readonly sources: ReadonlyMap<string, Source>;
}

/**
 * What the flags say, for a registration.
 *
 * @throws UsageError  one is written and there is no registry
 */
export function descriptionOf(
  parsed: Described,
): Pick<Registrant, "version" | "weight" | "zone" | "labels"> {
  const { values } = parsed;
  const { serviceVersion: version, weight, zone, label } = values;
  const vain = Object.keys(descriptionFlags).find((key) =>
    isWritten(parsed, key),
  );
  if (values.registry === undefined && vain !== undefined) {
    throw new UsageError(
      `--${flagName(vain)} is told to a registry: write --registry http://host:port, too`,
    );
  }
  return {
    ...(version !== undefined && { version }),
    ...(weight !== undefined && { weight }),
    ...(zone !== undefined && { zone }),
    ...(label !== undefined && { labels: label }),
  };
}
