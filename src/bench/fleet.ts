import { heartbeat } from "../registry/heartbeat.ts";
import { Registry } from "../registry/registry.ts";
import { Server } from "../server/server.ts";

const serverCount = 3;

/** Three servers and the registry that lists them, in one process. */
export class Fleet implements AsyncDisposable {
  /** Its URL. */
  readonly registry: string;
  readonly #opened: AsyncDisposableStack;

  private constructor(registry: string, opened: AsyncDisposableStack) {
    this.registry = registry;
    this.#opened = opened;
  }

  /** Resolves once all of them are listed. */
  static async start(
    services: Readonly<Record<string, object>>,
  ): Promise<Fleet> {
    await using opening = new AsyncDisposableStack();
    const registry = opening.use(new Registry());
    const url = await registry.listen("127.0.0.1:0");
    for (let count = 0; count < serverCount; count++) {
      const server = opening.use(new Server());
      for (const [name, service] of Object.entries(services)) {
        server.register(service, name);
      }
      const address = await server.listen("tcp@127.0.0.1:0");
      const beat = heartbeat(url, { address, services: server.services });
      opening.defer(() => beat.close());
      await beat.firstAttempt;
    }
    return new Fleet(url, opening.move());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#opened.disposeAsync();
  }
}
