import { Client } from "./client/client.ts";
import type { ClientOptions } from "./client/options.ts";
import { type Remote, withServices } from "./client/remote.ts";
import { Server, type ServerOptions } from "./server/server.ts";
import { memoryPipe } from "./transport/memory.ts";

/** Services by name, each an instance or an object of functions. */
type ServiceSet = Record<string, object>;

export interface Pair<Services> extends AsyncDisposable {
  readonly client: Client & Remote<Services>;
  readonly server: Server;
}

export interface PairOptions {
  client?: ClientOptions;
  server?: ServerOptions;
}

/**
 * A server and a client of it in one process, joined by memory instead of a
 * socket: for tests of services, with real encoding, timeouts and errors.
 *
 *     await using both = pair({ Arith: new Arith() });
 *     await both.client.Arith.sum({ a: 1, b: 2 });
 *
 * @throws RpcError invalid_argument  a service that exposes nothing
 */
export function pair<Services extends ServiceSet>(
  services: Services,
  options: PairOptions = {},
): Pair<Services> {
  const server = new Server(options.server);
  for (const [name, service] of Object.entries(services)) {
    server.register(service, name);
  }
  const [near, far] = memoryPipe();
  server.serve(far);
  const client = Client.over(near, options.client);
  return {
    client: withServices<Client, Services>(client),
    server,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server.close();
    },
  };
}
