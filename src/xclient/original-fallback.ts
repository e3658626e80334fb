import type { Clock } from "../base/clock.ts";
import type { Client } from "../client/client.ts";
import type { ClientOptions } from "../client/options.ts";
import { UnansweredError } from "../client/unanswered-error.ts";
import { gobCodecType } from "../codec/table.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import type { Dial } from "./client-pool.ts";

/** How long an address is taken for an original server before that is found out anew. */
const rememberedMs = 60_000;
/** Addresses that are remembered at most: the list comes from a registry. */
const maxRemembered = 10_000;

/** An address that was dialled with gob, and until when that counts. */
interface Finding {
  /** Undefined once its connection has gone, after it had answered. */
  client: Client | undefined;
  until: number;
}

/**
 * Dials servers of which nobody knows whether they are geerpc or the Go
 * original: both register as `tcp@host:port`, but only ours tell their
 * services, and those that do are dialled as ours.
 *
 * The binary codec is tried first. The original does not know it and closes,
 * in order and without a byte; nothing has run then, so the address is dialled
 * again with gob. A dial with gob succeeds whoever is there, so it counts only
 * once the server has answered in gob: the address is dialled that way for
 * 60 s then. Where a codec was chosen, that one is used.
 */
export class OriginalFallback {
  readonly #dial: Dial;
  readonly #clock: Clock;
  readonly #findings = new Map<string, Finding>();

  constructor(dial: Dial, clock: Clock) {
    this.#dial = dial;
    this.#clock = clock;
  }

  /** @throws RpcError as Client.dial */
  readonly dial = async (
    address: string,
    options: ClientOptions,
    endpoint: Endpoint,
  ): Promise<Client> => {
    if (options.codec !== undefined || endpoint.services !== undefined) {
      return this.#dial(address, options, endpoint);
    }
    if (!this.#isOriginal(address)) {
      try {
        return await this.#dial(address, options, endpoint);
      } catch (thrown) {
        if (!(thrown instanceof UnansweredError)) throw thrown;
      }
    }
    const withGob = { ...options, codec: gobCodecType };
    const client = await this.#dial(address, withGob, endpoint);
    this.#note(address, client);
    return client;
  };

  #isOriginal(address: string): boolean {
    const finding = this.#findings.get(address);
    if (finding === undefined) return false;
    if (this.#clock.now() < finding.until) {
      return finding.client?.hasHeard ?? true;
    }
    this.#findings.delete(address);
    return false;
  }

  #note(address: string, client: Client): void {
    const now = this.#clock.now();
    if (this.#isOriginal(address)) return;
    if (this.#findings.size >= maxRemembered) this.#findings.clear();
    const finding: Finding = { client, until: now + rememberedMs };
    this.#findings.set(address, finding);
    void client.closed.then(() => {
      if (client.hasHeard) finding.client = undefined;
      else if (this.#findings.get(address) === finding) {
        this.#findings.delete(address);
      }
    });
  }
}
