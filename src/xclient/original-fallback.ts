import type { Clock } from "../base/clock.ts";
import { type Client, UnansweredError } from "../client/client.ts";
import type { ClientOptions } from "../client/options.ts";
import { gobCodecType } from "../codec/table.ts";
import type { Dial } from "./client-pool.ts";

/** How long an address is taken for an original server before that is found out anew. */
const rememberedMs = 60_000;
/** Addresses that are remembered at most: the list comes from a registry. */
const maxRemembered = 10_000;

/**
 * Dials servers of which nobody knows whether they are geerpc or the Go
 * original: both register as `tcp@host:port`.
 *
 * The binary codec is tried first. The original does not know it and closes
 * without a byte; nothing has run then, so the address is dialled again with
 * gob, and is for the next 60 s. Where a codec was chosen, that one is used.
 */
export class OriginalFallback {
  readonly #dial: Dial;
  readonly #clock: Clock;
  /** When each original server may have become another one. */
  readonly #originalUntil = new Map<string, number>();

  constructor(dial: Dial, clock: Clock) {
    this.#dial = dial;
    this.#clock = clock;
  }

  /** @throws RpcError as Client.dial */
  readonly dial = async (
    address: string,
    options: ClientOptions,
  ): Promise<Client> => {
    if (options.codec !== undefined) return this.#dial(address, options);
    if (!this.#isOriginal(address)) {
      try {
        return await this.#dial(address, options);
      } catch (thrown) {
        if (!(thrown instanceof UnansweredError)) throw thrown;
      }
    }
    const client = await this.#dial(address, {
      ...options,
      codec: gobCodecType,
    });
    this.#remember(address);
    return client;
  };

  #isOriginal(address: string): boolean {
    const until = this.#originalUntil.get(address) ?? 0;
    if (this.#clock.now() < until) return true;
    this.#originalUntil.delete(address);
    return false;
  }

  #remember(address: string): void {
    if (this.#originalUntil.size >= maxRemembered) this.#originalUntil.clear();
    if (!this.#originalUntil.has(address)) {
      this.#originalUntil.set(address, this.#clock.now() + rememberedMs);
    }
  }
}
