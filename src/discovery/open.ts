import { RpcError } from "../errors.ts";
import { isRegistryUrl, splitTargets } from "../registry/url.ts";
import type { Discovery } from "./discovery.ts";
import {
  RegistryDiscovery,
  type RegistryDiscoveryOptions,
} from "./registry.ts";
import { StaticDiscovery } from "./static.ts";

/**
 * Makes the discovery that `target` means: registries' URLs (`http://…`,
 * `https://…`), or servers' addresses (`tcp@host:port` …), one or several, in
 * an array or separated by commas. Does no I/O. `options` are for registries.
 *
 * @throws RpcError invalid_argument  nothing at all, both kinds, or an ill-formed one
 */
export function openDiscovery(
  target: string | readonly string[],
  options: RegistryDiscoveryOptions = {},
): Discovery {
  const items = splitTargets(target);
  const urls = items.filter(isRegistryUrl);
  if (items.length === 0) {
    throw new RpcError(
      "invalid_argument",
      "nothing to connect to: write a registry's URL, as in http://127.0.0.1:9999, or servers' addresses, as in tcp@127.0.0.1:4000",
    );
  }
  if (urls.length === 0) return new StaticDiscovery(items);
  if (urls.length === items.length) return new RegistryDiscovery(urls, options);
  throw new RpcError(
    "invalid_argument",
    "both registries and servers: write either registries' URLs (http://…) or servers' addresses (tcp@host:port)",
  );
}
