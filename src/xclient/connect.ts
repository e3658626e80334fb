import { type Unclashing, withServices } from "../service/remote.ts";
import { type DiscoveryOptions, openDiscovery } from "../discovery/open.ts";
import type { XRemote } from "./remote.ts";
import { XClient, type XClientOptions } from "./xclient.ts";

export interface ConnectOptions extends XClientOptions {
  /** How the servers are found: a request's timeout, the age of a list, a file to keep it in, another fetch or resolver. */
  discovery?: Omit<DiscoveryOptions, "clock" | "random" | "onEvent">;
}

/**
 * Connects to servers by a registry's URL or by their addresses, one or
 * several, in an array or separated by commas, or by a name in DNS, a file or
 * the etcd of registries (`dns://host:port`, `file:///path`,
 * `etcd://host:port/prefix`). Each service of `T` is a property of the
 * result, each of its methods a typed function:
 *
 *     await using xc = await connect<{ Arith: Arith }>("tcp@127.0.0.1:4000");
 *     await xc.Arith.sum({ a: 1, b: 2 });
 *
 * Resolves once the list of servers is known; servers are dialled when they
 * are first called.
 *
 * @throws RpcError invalid_argument  a target, mode or timeout that is none
 * @throws RpcError unavailable       no registry, name or file gave a list; sent is false
 */
export async function connect<T extends Unclashing<XClient, T>>(
  target: string | readonly string[],
  options: ConnectOptions = {},
): Promise<XClient & XRemote<T>> {
  const { clock, random, onEvent } = options;
  const discovery = openDiscovery(target, {
    ...options.discovery,
    ...(clock && { clock }),
    ...(random && { random }),
    ...(onEvent && { onEvent }),
  });
  try {
    const client = new XClient(discovery, options);
    await discovery.all();
    return withServices<XClient, T>(client) as XClient & XRemote<T>;
  } catch (thrown) {
    discovery.close();
    throw thrown;
  }
}
