import { RpcError } from "../errors.ts";
import type { Peer } from "./context.ts";
import { remote } from "./remote.ts";

/** A peer that calls and cannot be called, such as one that came by HTTP. */
export function silentPeer(address: string): Peer {
  const refuse = async (): Promise<never> => {
    throw new RpcError(
      "unimplemented",
      `${address} takes no calls: its connection is not a geerpc one`,
      { sent: false },
    );
  };
  return Object.freeze({
    address,
    isAvailable: false,
    call: refuse,
    notify: refuse,
    as: <Services>() => remote<Services>(refuse),
  });
}
