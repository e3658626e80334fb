import { Client } from "./client/client.ts";
import type { ClientOptions } from "./client/options.ts";
import {
  type Remote,
  type Unclashing,
  withServices,
} from "./service/remote.ts";
import { RpcError } from "./errors.ts";
import { Server, type ServerOptions } from "./server/server.ts";
import { memoryPipe } from "./transport/memory.ts";
import { encodeRefusal } from "./wire/refusal.ts";

/** Services by name, each an instance or an object of functions. */
type ServiceSet = Record<string, object>;

export interface Pair<Services> extends AsyncDisposable {
  readonly client: Client & Remote<Services>;
  readonly server: Server;
  /** Resolves when the services have started; rejects with what a start() threw. Need not be waited for. */
  readonly ready: Promise<void>;
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
 * Calls may be made at once and wait, inside their deadlines, until the
 * services' start() hooks have run; if one of these fails, calls do with its
 * error, as not started.
 *
 * @throws RpcError invalid_argument  a service that exposes nothing, an option that is none
 */
export function pair<
  Services extends ServiceSet & Unclashing<Client, Services>,
>(services: Services, options: PairOptions = {}): Pair<Services> {
  const server = new Server(options.server);
  for (const [name, service] of Object.entries(services)) {
    server.register(service, name);
  }
  const [near, far] = memoryPipe();
  const client = Client.over(near, options.client);
  const ready = server.start();
  const joined = ready.then(
    () => server.serve(far),
    (thrown: unknown) => {
      far.write(encodeRefusal(RpcError.from(thrown)));
      far.shutdown();
    },
  );
  return {
    client: withServices<Client, Services>(client),
    server,
    ready,
    async [Symbol.asyncDispose]() {
      await joined;
      await client.close();
      await server.close();
    },
  };
}
