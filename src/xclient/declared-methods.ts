import type { Client } from "../client/client.ts";
import { codecTypeOf } from "../client/choose-codec.ts";
import { binaryCodecType } from "../codec/table.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import type { ClientOptions } from "../client/options.ts";
import { idempotentMethods } from "../service/services.ts";
import { parseAddress } from "../transport/address.ts";
import type { Dial } from "./client-pool.ts";

const none: ReadonlySet<string> = new Set();

/**
 * Which methods the server of a connection declares to be idempotent: callers
 * have its type only, so it is asked, once per connection and in front of the
 * first call. Until it has answered none is declared.
 *
 * Only over the binary codec: an original server could not take a method that
 * it does not know.
 */
export class DeclaredMethods {
  readonly #dial: Dial;
  readonly #declared = new WeakMap<Client, ReadonlySet<string>>();

  constructor(dial: Dial) {
    this.#dial = dial;
  }

  /** @throws RpcError as Client.dial */
  readonly dial = async (
    address: string,
    options: ClientOptions,
    endpoint: Endpoint,
  ): Promise<Client> => {
    const client = await this.#dial(address, options, endpoint);
    const { protocol } = parseAddress(address);
    if (codecTypeOf(protocol, options.codec) === binaryCodecType) {
      void this.#ask(client);
    }
    return client;
  };

  /** Whether the server at the other end of `client` declares the method so. */
  has(client: Client, serviceMethod: string): boolean {
    return (this.#declared.get(client) ?? none).has(serviceMethod);
  }

  async #ask(client: Client): Promise<void> {
    try {
      // The connection's end is limit enough.
      const answer = await client.call(idempotentMethods, undefined, {
        timeoutMs: 0,
      });
      if (!Array.isArray(answer) || answer.length === 0) return;
      this.#declared.set(client, new Set(answer));
    } catch {
      // An older server, or the connection is gone: nothing is declared.
    }
  }
}
