import type { Client } from "../client/client.ts";
import type { ClientOptions } from "../client/options.ts";
import { RpcError } from "../errors.ts";

/** Makes the client of an address; Client.dial, or a test's own. */
export type Dial = (address: string, options: ClientOptions) => Promise<Client>;

/** One connection of an address: there, being dialled, or neither. */
interface Slot {
  client: Client | undefined;
  dialling: Promise<Client> | undefined;
}

interface Slots {
  slots: Slot[];
  turn: number;
}

/**
 * The clients of an XClient: a fixed number per address, used in turns.
 *
 * Each is dialled when it is first needed, once however many callers wait, and
 * anew when it is no longer available. Addresses do not wait for each other,
 * and a dial is not given up when one of its callers is: others may wait for
 * it, and its connect timeout bounds it.
 */
export class ClientPool {
  readonly #options: ClientOptions;
  readonly #perAddress: number;
  readonly #dial: Dial;
  readonly #addresses = new Map<string, Slots>();
  readonly #closing = new AbortController();

  constructor(options: ClientOptions, perAddress: number, dial: Dial) {
    this.#options = { ...options, signal: this.#closing.signal };
    this.#perAddress = perAddress;
    this.#dial = dial;
  }

  /**
   * A client that is connected to `address`: at once where there is one, else
   * a promise of one.
   *
   * @throws RpcError unavailable (sent: false)  the dial failed; the next call dials again
   */
  get(address: string): Client | Promise<Client> {
    let entry = this.#addresses.get(address);
    if (entry === undefined) {
      const slots = Array.from({ length: this.#perAddress }, () => ({
        client: undefined,
        dialling: undefined,
      }));
      entry = { slots, turn: 0 };
      this.#addresses.set(address, entry);
    }
    entry.turn = (entry.turn + 1) % entry.slots.length;
    const slot = entry.slots[entry.turn] as Slot;
    if (slot.client?.isAvailable) return slot.client;
    if (slot.dialling === undefined) {
      slot.dialling = this.#fill(slot, address);
      // Its callers may have given up by the time it fails.
      slot.dialling.catch(() => {});
    }
    return slot.dialling;
  }

  /** Lets go of addresses that are not in `addresses`: their clients close once no call of theirs is in flight. */
  retain(addresses: ReadonlySet<string>): void {
    for (const [address, { slots }] of this.#addresses) {
      if (addresses.has(address)) continue;
      const isIdle = slots.every(
        ({ client, dialling }) =>
          dialling === undefined && (client?.inFlight ?? 0) === 0,
      );
      if (!isIdle) continue;
      this.#addresses.delete(address);
      for (const { client } of slots) void client?.close();
    }
  }

  /** Ends every client and gives up what is being dialled. */
  async close(): Promise<void> {
    this.#closing.abort(
      new RpcError("unavailable", "the client was closed", { sent: false }),
    );
    const slots = [...this.#addresses.values()].flatMap((entry) => entry.slots);
    this.#addresses.clear();
    await Promise.all(slots.map(({ client }) => client?.close()));
  }

  async #fill(slot: Slot, address: string): Promise<Client> {
    try {
      const client = await this.#dial(address, this.#options);
      if (this.#closing.signal.aborted) {
        void client.close();
        throw RpcError.fromAbort(this.#closing.signal);
      }
      slot.client = client;
      return client;
    } finally {
      slot.dialling = undefined;
    }
  }
}
