import { systemClock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import { readBody } from "../http/body.ts";
import { formatHostPort, parseAddress } from "../transport/address.ts";
import type { Settled } from "../xclient/broadcast.ts";

/** Where Go's servers say over HTTP what they have: the original, and net/rpc. */
const pagePaths = { http: "/debug/geerpc", "gorpc+http": "/debug/rpc" };
const pageTimeoutMs = 3_000;
const maxPageBytes = 1024 * 1024;

/**
 * A heading or a method on a page. A heading is one line and takes nothing of
 * the lines around it: otherwise a page of empty ones would be read again for
 * each.
 */
export const pageItem =
  /^[ \t]*Service (\S+)[ \t]*$|<td align=left font=fixed>([^\s(<]+)\(/gm;

/**
 * The lists of servers that do not know `_geerpc.list` because they are
 * written in Go: those that are reached over HTTP show their methods on a
 * page, and of others that is said. Other outcomes stay as they are.
 */
export async function withGoLists(
  outcomes: ReadonlyMap<string, Settled>,
): Promise<Map<string, Settled>> {
  const lists = [...outcomes].map(
    async ([address, outcome]): Promise<[string, Settled]> => {
      if (!("error" in outcome) || outcome.error.code !== "unimplemented") {
        return [address, outcome];
      }
      const url = pageUrl(address);
      if (url === undefined) return [address, { error: noList(outcome.error) }];
      try {
        return [address, { reply: { services: await readPage(url) } }];
      } catch {
        // The first answer says more: the server has no list.
        return [address, outcome];
      }
    },
  );
  return new Map(await Promise.all(lists));
}

function pageUrl(address: string): string | undefined {
  const parsed = parseAddress(address);
  const { protocol } = parsed;
  if (protocol !== "http" && protocol !== "gorpc+http") return undefined;
  return `http://${formatHostPort(parsed.host, parsed.port)}${pagePaths[protocol]}`;
}

function noList(cause: RpcError): RpcError {
  return new RpcError(
    "unimplemented",
    "the server has no list: Go's servers list their methods only over http@ and gorpc+http@",
    { cause },
  );
}

async function readPage(url: string): Promise<Record<string, string[]>> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(pageTimeoutMs),
    headers: { Accept: "text/html" },
  });
  const text = await readBody(response, {
    maxBytes: maxPageBytes,
    timeoutMs: pageTimeoutMs,
    clock: systemClock,
  });
  if (!response.ok) throw new RpcError("internal", `${url} has no list`);
  return parseGoPage(text);
}

/** Methods by service on a debug page of net/rpc or of the original. */
export function parseGoPage(html: string): Record<string, string[]> {
  const services = new Map<string, string[]>();
  let methods: string[] = [];
  for (const [, service, method] of html.matchAll(pageItem)) {
    if (service !== undefined) {
      methods = [];
      services.set(service, methods);
    } else if (method !== undefined) methods.push(method);
  }
  return Object.fromEntries(services);
}
