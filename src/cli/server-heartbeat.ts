import { type Clock, systemClock } from "../base/clock.ts";
import type { OnEvent } from "../events.ts";
import {
  type Heartbeat,
  heartbeat,
  type Registrant,
} from "../registry/heartbeat.ts";
import { formatAddress, parseAddress } from "../transport/address.ts";
import type { ServerValues } from "./server.ts";

/** The flags that say where a server registers, and how. */
type HeartbeatValues = Pick<
  ServerValues,
  "registry" | "registryTokenFile" | "advertise" | "reportLoad"
>;

/**
 * Registers what listens at `listening` as the flags of `geerpc server` want
 * it; undefined without --registry.
 *
 * @throws RpcError invalid_argument  as heartbeat()
 */
export function serverHeartbeat(
  values: HeartbeatValues,
  listening: string,
  registrant: Omit<Registrant, "address">,
  onEvent: OnEvent,
  clock: Clock = systemClock,
): Heartbeat | undefined {
  const { registry, registryTokenFile: token, reportLoad } = values;
  if (registry === undefined) return undefined;
  const address = advertisedAddress(values.advertise, listening);
  return heartbeat(
    registry,
    { address, ...registrant },
    { onEvent, clock, reportsLoad: reportLoad, ...(token && { token }) },
  );
}

/** What is registered: port 0 stands for the one that is listened on. */
function advertisedAddress(
  advertise: string | undefined,
  listening: string,
): string {
  if (advertise === undefined) return listening;
  const address = parseAddress(advertise);
  const own = parseAddress(listening);
  return address.protocol === "unix" ||
    own.protocol === "unix" ||
    address.port !== 0
    ? advertise
    : formatAddress({ ...address, port: own.port });
}
