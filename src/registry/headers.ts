/**
 * The words of the registry's HTTP face, the original's but for the TTL
 * (go/wire.md, "Registry"): a Go client or server uses the first three alone.
 */

/** Where a registry answers, on whatever host and port. */
export const registryPath = "/_geerpc_/registry";

/** POST and DELETE: the one server meant. */
export const serverHeader = "X-Geerpc-Server";

/** The answer to GET: every server, sorted, separated by commas without spaces. */
export const serversHeader = "X-Geerpc-Servers";

/** POST: how long the registration holds, in seconds; 0 is for ever. */
export const ttlHeader = "X-Geerpc-TTL";
