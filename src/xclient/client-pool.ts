import { Backoff, reconnectBackoff } from "../base/backoff.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { outside } from "../base/outside.ts";
import type { Random } from "../base/random.ts";
import type { Client } from "../client/client.ts";
import type { ClientOptions } from "../client/options.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import type { OnEvent } from "../events.ts";

/** Makes the client of an address; Client.dial, or a test's own. `endpoint` is all that is known of the address. */
export type Dial = (
  address: string,
  options: ClientOptions,
  endpoint: Endpoint,
) => Promise<Client>;

/** One connection of an address: there, being dialled, or neither. */
interface Slot {
  client: Client | undefined;
  dialling: Promise<Client> | undefined;
}

/** The connections of one address. */
interface Connections {
  endpoint: Endpoint;
  readonly slots: readonly Slot[];
  turn: number;
  readonly backoff: Backoff;
  /** Before that instant no dial is made for which there is another way; 0 once one has succeeded. */
  retryAt: number;
  /** Before that instant no dial is made at all. */
  redialAt: number;
  /** A dial has succeeded: what is not reached now was lost. */
  wasConnected: boolean;
  /** The pool has closed them. */
  isGone: boolean;
}

const nobody: ReadonlySet<string> = new Set();

/**
 * How long a server that was lost and could not be dialled is left alone, in
 * ms, evenly between these: its other clients have lost it at the same
 * instant. However long it is away, at most 14 % of a thousand then come in
 * any tenth of a second.
 */
const minRedialMs = 500;
const maxRedialMs = 2_000;

/**
 * The clients of an XClient: a fixed number per address, used in turns.
 *
 * Each is dialled when it is first needed, once however many callers wait, and
 * anew when it is no longer available. Addresses do not wait for each other,
 * and a dial is not given up when one of its callers is: others may wait for
 * it, and its connect timeout bounds it.
 *
 * An address whose dial failed, or was waited for in vain, is down until one
 * succeeds: callers prefer others. Meanwhile it is dialled in the background,
 * once per backoff, when calls pass by. Where it was connected before, dials
 * are 0.5 to 2 s apart at least, and who has no other server waits for the
 * next one: so a server that restarts does not get all of its clients back at
 * once.
 */
export class ClientPool {
  readonly #options: ClientOptions;
  readonly #perAddress: number;
  readonly #dial: Dial;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onEvent: OnEvent;
  readonly #addresses = new Map<string, Connections>();
  /** Those that are no longer listed and still have calls in flight, or are being dialled. */
  readonly #leaving = new Set<Connections>();
  #down = nobody;
  /** The first instant at which one that is down may be dialled again. */
  #probeAt = 0;
  readonly #closing = new AbortController();

  constructor(
    options: ClientOptions & { random?: Random },
    perAddress: number,
    dial: Dial,
  ) {
    const {
      clock = systemClock,
      random = Math.random,
      onEvent = () => {},
    } = options;
    this.#options = { ...options, signal: this.#closing.signal };
    this.#perAddress = perAddress;
    this.#dial = dial;
    this.#clock = clock;
    this.#random = random;
    this.#onEvent = onEvent;
  }

  /** Addresses to which nobody should go while there are others. Another set whenever it changes. */
  get down(): ReadonlySet<string> {
    return this.#down;
  }

  /**
   * A client that is connected to `endpoint`: at once where there is one, else
   * a promise of one. Dials also where the address is down, at once or, where
   * it was lost, when it may be dialled again.
   *
   * @throws RpcError as Client.dial; the next call dials again
   */
  get(endpoint: Endpoint): Client | Promise<Client> {
    const connections = this.#connectionsOf(endpoint);
    const { slots, retryAt } = connections;
    connections.turn = (connections.turn + 1) % slots.length;
    const slot = slots[connections.turn] as Slot;
    if (slot.client?.isAvailable) return slot.client;
    if (retryAt > 0 && slots.length > 1) {
      const other = slots.find(({ client }) => client?.isAvailable)?.client;
      if (other !== undefined) {
        if (this.#clock.now() >= retryAt) this.#dialInto(slot, connections);
        return other;
      }
    }
    return this.#dialInto(slot, connections);
  }

  /** Whether `address` can be called without a dial. */
  isConnected(address: string): boolean {
    const slots = this.#addresses.get(address)?.slots;
    return slots?.some(({ client }) => client?.isAvailable) ?? false;
  }

  /** Whether a dial to `address` is under way. */
  isDialling(address: string): boolean {
    const slots = this.#addresses.get(address)?.slots;
    return slots?.some(({ dialling }) => dialling !== undefined) ?? false;
  }

  /** A caller has waited for its dial in vain: the address is down until that succeeds. */
  doubt({ address }: Endpoint): void {
    if (this.isDialling(address)) this.#setDown(address, true);
  }

  /** Dials those that are down and whose backoff is over, for nobody in particular. */
  probe(): void {
    const now = this.#clock.now();
    if (now < this.#probeAt) return;
    let probeAt = Infinity;
    for (const address of this.#down) {
      const connections = this.#addresses.get(address);
      if (connections === undefined || this.isDialling(address)) continue;
      if (connections.retryAt > now) {
        probeAt = Math.min(probeAt, connections.retryAt);
      } else {
        this.#dialInto(connections.slots[0] as Slot, connections);
      }
    }
    this.#probeAt = probeAt;
  }

  /** Lets go of addresses that are not in `addresses`: their clients close as soon as no call of theirs is in flight. */
  retain(addresses: ReadonlySet<string>): void {
    for (const [address, connections] of this.#addresses) {
      if (addresses.has(address)) this.#leaving.delete(connections);
      else this.#leaving.add(connections);
    }
    this.called();
  }

  /** Told after each call: it may have been the last one of an address that is leaving. */
  called(): void {
    if (this.#leaving.size > 0) this.#letGo();
  }

  /** Ends every client and gives up what is being dialled. */
  async close(): Promise<void> {
    this.#closing.abort(
      new RpcError("unavailable", "the client was closed", { sent: false }),
    );
    const all = [...this.#addresses.values()];
    this.#addresses.clear();
    this.#leaving.clear();
    this.#down = nobody;
    await Promise.all(all.map(closeAll));
  }

  #connectionsOf(endpoint: Endpoint): Connections {
    const known = this.#addresses.get(endpoint.address);
    if (known !== undefined) {
      known.endpoint = endpoint;
      return known;
    }
    const connections: Connections = {
      endpoint,
      slots: Array.from({ length: this.#perAddress }, () => ({
        client: undefined,
        dialling: undefined,
      })),
      turn: 0,
      backoff: new Backoff(reconnectBackoff, this.#random),
      retryAt: 0,
      redialAt: 0,
      wasConnected: false,
      isGone: false,
    };
    this.#addresses.set(endpoint.address, connections);
    return connections;
  }

  #dialInto(slot: Slot, connections: Connections): Promise<Client> {
    if (slot.dialling === undefined) {
      // Not only for the call that comes first: nothing of it is kept.
      slot.dialling = outside(() => this.#fill(slot, connections));
      // Its callers may have given up by the time it fails.
      slot.dialling.catch(() => {});
    }
    return slot.dialling;
  }

  async #fill(slot: Slot, connections: Connections): Promise<Client> {
    const { endpoint } = connections;
    const { signal } = this.#closing;
    try {
      const pauseMs = connections.redialAt - this.#clock.now();
      if (pauseMs > 0) await this.#pass(pauseMs);
      const client = await this.#dial(
        endpoint.address,
        this.#options,
        endpoint,
      );
      if (signal.aborted) {
        void client.close();
        throw RpcError.fromAbort(signal);
      }
      slot.client = client;
      this.#succeeded(connections, client);
      return client;
    } catch (thrown) {
      if (!signal.aborted) this.#failed(connections, RpcError.from(thrown));
      throw thrown;
    } finally {
      slot.dialling = undefined;
      if (this.#leaving.has(connections)) {
        // Those who waited for it begin their calls first.
        this.#clock.after(0, () => this.called()).unref();
      }
    }
  }

  /** @throws RpcError the pool was closed */
  async #pass(pauseMs: number): Promise<void> {
    const { signal } = this.#closing;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = this.#clock.after(pauseMs, resolve);
    const onAbort = () => resolve();
    signal.addEventListener("abort", onAbort);
    await promise;
    timer.cancel();
    signal.removeEventListener("abort", onAbort);
    if (signal.aborted) throw RpcError.fromAbort(signal);
  }

  #succeeded(connections: Connections, client: Client): void {
    const { address } = connections.endpoint;
    connections.backoff.reset();
    connections.retryAt = 0;
    connections.wasConnected = true;
    this.#setDown(address, false);
    this.#onEvent({ kind: "connected", address });
    void client.closed.then(() => {
      if (connections.isGone) return;
      const error =
        client.lost ?? new RpcError("unavailable", "the connection is gone");
      this.#onEvent({ kind: "disconnected", address, error });
    });
  }

  #failed(connections: Connections, error: RpcError): void {
    const { endpoint, slots, backoff } = connections;
    const { address } = endpoint;
    const now = this.#clock.now();
    const isDown = !slots.some(({ client }) => client?.isAvailable);
    // Dials that fail together are one failure.
    if (now >= connections.retryAt) {
      connections.retryAt = now + backoff.nextMs();
      if (isDown && connections.wasConnected) {
        const spreadMs = this.#random() * (maxRedialMs - minRedialMs);
        connections.redialAt = now + minRedialMs + spreadMs;
        connections.retryAt = Math.max(
          connections.retryAt,
          connections.redialAt,
        );
      }
    }
    const { retryAt } = connections;
    if (isDown) {
      this.#setDown(address, true);
      this.#probeAt = Math.min(this.#probeAt, retryAt);
    }
    const retryInMs = retryAt - now;
    this.#onEvent({ kind: "dial-failed", address, error, retryInMs });
  }

  #setDown(address: string, isDown: boolean): void {
    if (this.#down.has(address) === isDown) return;
    const down = new Set(this.#down);
    if (isDown) down.add(address);
    else down.delete(address);
    this.#down = down;
  }

  #letGo(): void {
    for (const connections of this.#leaving) {
      const isIdle = connections.slots.every(
        ({ client, dialling }) =>
          dialling === undefined && (client?.inFlight ?? 0) === 0,
      );
      if (!isIdle) continue;
      const { address } = connections.endpoint;
      this.#leaving.delete(connections);
      this.#addresses.delete(address);
      this.#setDown(address, false);
      void closeAll(connections);
    }
  }
}

async function closeAll(connections: Connections): Promise<void> {
  connections.isGone = true;
  await Promise.all(connections.slots.map(({ client }) => client?.close()));
}
