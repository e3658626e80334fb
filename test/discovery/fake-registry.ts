import type { Fetch } from "../../src/registry/request.ts";

/** What a registry answers; a promise that never settles is one that hangs. */
export type Reply = () => Response | Promise<Response>;

/**
 * A registry without a network: `fetch` answers what `reply` gives at the
 * time, and `requests` tells what was asked. A signal is heeded only by
 * `hang`, as by a socket.
 */
export class FakeRegistry {
  readonly requests: { url: string; init: RequestInit }[] = [];
  reply: Reply;

  constructor(reply: Reply = () => listing()) {
    this.reply = reply;
  }

  readonly fetch: Fetch = async (url, init) => {
    this.requests.push({ url, init });
    return this.reply();
  };

  get requestCount(): number {
    return this.requests.length;
  }

  /** From now on requests wait, until the function it returns is called: then all are answered with `reply`. */
  hold(reply: Reply): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.reply = async () => {
      await promise;
      return reply();
    };
    return resolve;
  }

  hang(): void {
    this.reply = () => new Promise(() => {});
  }
}

/** Our registry's answer: JSON beside the header. */
export function listing(...addresses: string[]): Response {
  const servers = addresses.map((address) => ({
    address,
    services: null,
    expiresInMs: 15_000,
  }));
  return Response.json(
    { servers },
    { headers: { "X-Geerpc-Servers": addresses.join(",") } },
  );
}

/** The original's: the header alone. */
export function headerListing(...addresses: string[]): Response {
  return new Response(null, {
    headers: { "X-Geerpc-Servers": addresses.join(",") },
  });
}

/** A refused connection, as fetch fails with it. */
export function refused(): never {
  throw Object.assign(new TypeError("Unable to connect"), {
    code: "ECONNREFUSED",
  });
}
