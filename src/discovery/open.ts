import { RpcError } from "../errors.ts";
import { isRegistryUrl, splitTargets } from "../registry/url.ts";
import type { Discovery } from "./discovery.ts";
import { DnsDiscovery, type DnsDiscoveryOptions, isDnsTarget } from "./dns.ts";
import {
  EtcdDiscovery,
  type EtcdDiscoveryOptions,
  isEtcdTarget,
} from "./etcd.ts";
import {
  FileDiscovery,
  type FileDiscoveryOptions,
  isFileTarget,
} from "./file.ts";
import {
  RegistryDiscovery,
  type RegistryDiscoveryOptions,
} from "./registry.ts";
import { StaticDiscovery } from "./static.ts";

/** Each kind of target takes what concerns it. */
export interface DiscoveryOptions
  extends
    RegistryDiscoveryOptions,
    EtcdDiscoveryOptions,
    DnsDiscoveryOptions,
    FileDiscoveryOptions {}

/**
 * Makes the discovery that `target` means, in a string or in an array:
 *
 * | target                                             | servers are known from       |
 * | -------------------------------------------------- | ---------------------------- |
 * | `http://…`, `https://…`, several by commas         | registries, asked in order   |
 * | `etcd://host:port,host:port/prefix`                | the etcd of registries: {@link EtcdDiscovery} |
 * | `dns://host:port`, `dns://name`                    | DNS: {@link DnsDiscovery}    |
 * | `file:///path`, `file:path`                        | a file: {@link FileDiscovery} |
 * | `tcp@host:port`, `unix@path` …, several by commas  | the target itself            |
 *
 * Does no I/O.
 *
 * @throws RpcError invalid_argument  nothing at all, two kinds, several names or files, or an ill-formed one
 */
export function openDiscovery(
  target: string | readonly string[],
  options: DiscoveryOptions = {},
): Discovery {
  // Its commas are within one target.
  const text = typeof target === "string" ? target : target.join(",");
  if (isEtcdTarget(text)) return new EtcdDiscovery(text, options);
  const items = splitTargets(target);
  const [first] = items;
  if (first === undefined) {
    throw new RpcError(
      "invalid_argument",
      "nothing to connect to: write a registry's URL, as in http://127.0.0.1:9999, or servers' addresses, as in tcp@127.0.0.1:4000",
    );
  }
  const kind = kindOf(first);
  if (!items.every((item) => kindOf(item) === kind)) {
    throw new RpcError(
      "invalid_argument",
      "several kinds of targets: write registries' URLs (http://…), servers' addresses (tcp@host:port), one etcd:// URL, one dns:// name or one file",
    );
  }
  if (kind === "servers") return new StaticDiscovery(items);
  if (kind === "registries") return new RegistryDiscovery(items, options);
  if (items.length > 1) {
    throw new RpcError(
      "invalid_argument",
      `one ${kind} can be asked, not ${items.length}: write one that lists all of the servers`,
    );
  }
  return kind === "file"
    ? new FileDiscovery(first, options)
    : new DnsDiscovery(first, options);
}

function kindOf(item: string): "registries" | "name" | "file" | "servers" {
  if (isRegistryUrl(item)) return "registries";
  if (isDnsTarget(item)) return "name";
  return isFileTarget(item) ? "file" : "servers";
}
