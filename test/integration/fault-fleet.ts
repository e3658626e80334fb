import { RpcError } from "../../src/errors.ts";
import type { RpcEvent } from "../../src/events.ts";
import { Server, type ServerOptions } from "../../src/server/server.ts";
import { connect } from "../../src/xclient/connect.ts";
import type { XClient, XClientOptions } from "../../src/xclient/xclient.ts";
import { FaultProxy, type ProxiedConnection } from "../support/fault-proxy.ts";

/** What the ledgers of both sides say when they are laid beside each other. */
export interface Verdict {
  answered: number;
  failed: number;
  /** Calls that are not over. */
  unresolved: number;
  /** Ids by what is wrong with them: each has to be empty. */
  executedTwice: string[];
  answeredUnexecuted: string[];
  /** Failed as not sent, and were executed. */
  executedUnsent: string[];
  /** Failed otherwise than by their connection, or without telling whether they were sent. */
  illFailed: string[];
}

interface Args {
  id: string;
  /** Turns of the event loop from the execution to the answer. */
  turns: number;
}

/** What servers execute: each id as many times as it came. */
class Ledger {
  readonly #counts: Map<string, number>;

  constructor(counts: Map<string, number>) {
    this.#counts = counts;
  }

  async write({ id, turns }: Args): Promise<string> {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    for (let turn = 0; turn < turns; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    return id;
  }
}

const keepAlive = { busyMs: 250, idleMs: 250, timeoutMs: 250 };

/**
 * Servers in this process, each behind a fault proxy, and one XClient that
 * calls them, with ledgers on both sides. `settled` ends all of it, and only
 * then says what happened: a request that was on its way may still be executed.
 */
export class FaultFleet implements AsyncDisposable {
  readonly proxies: readonly FaultProxy[];
  readonly clientEvents: RpcEvent[] = [];
  readonly serverEvents: RpcEvent[];
  readonly #servers: readonly Server[];
  readonly #executed: Map<string, number>;
  /** By id: what a call failed with, undefined where it was answered. */
  readonly #outcomes = new Map<string, RpcError | undefined>();
  #client!: XClient;
  #startedCount = 0;

  private constructor(
    servers: readonly Server[],
    proxies: readonly FaultProxy[],
    executed: Map<string, number>,
    serverEvents: RpcEvent[],
  ) {
    this.#servers = servers;
    this.serverEvents = serverEvents;
    this.proxies = proxies;
    this.#executed = executed;
  }

  static async open(
    serverCount = 2,
    options: XClientOptions = {},
    serverOptions: ServerOptions = {},
  ): Promise<FaultFleet> {
    const executed = new Map<string, number>();
    const serverEvents: RpcEvent[] = [];
    const servers = Array.from({ length: serverCount }, () =>
      new Server({
        keepAlive,
        onEvent: (event) => void serverEvents.push(event),
        ...serverOptions,
      }).register(new Ledger(executed), "Ledger"),
    );
    const addresses = await Promise.all(
      servers.map((server) => server.listen()),
    );
    const proxies = addresses.map((address) => new FaultProxy(address));
    const fleet = new FaultFleet(servers, proxies, executed, serverEvents);
    fleet.#client = await connect(
      proxies.map(({ address }) => address),
      {
        mode: "round-robin",
        keepAlive,
        callTimeoutMs: 20_000,
        onEvent: (event) => void fleet.clientEvents.push(event),
        ...options,
      },
    );
    return fleet;
  }

  /** The proxied connections that live. */
  get connections(): readonly ProxiedConnection[] {
    return this.proxies.flatMap(({ connections }) => connections);
  }

  /** Makes one call with an id of its own. Resolves when it is over, however it ended. */
  async call(turns = 0): Promise<void> {
    const id = `call ${++this.#startedCount}`;
    const args: Args = { id, turns };
    try {
      const reply = await this.#client.call("Ledger.write", args);
      if (reply !== id) throw new Error(`${id} was answered ${reply}`);
      this.#outcomes.set(id, undefined);
    } catch (thrown) {
      this.#outcomes.set(id, RpcError.from(thrown));
    }
  }

  /**
   * Makes `count` calls, `inFlight` at a time, and runs `disturb` before each
   * with its number, from 1, and how many turns it is to take.
   */
  async run(
    count: number,
    inFlight: number,
    disturb: (number: number) => number,
  ): Promise<void> {
    let number = 0;
    const caller = async () => {
      while (number < count) await this.call(disturb(++number));
    };
    await Promise.all(Array.from({ length: inFlight }, caller));
  }

  /** Ends the fleet, then lays the ledgers beside each other. */
  async settled(): Promise<Verdict> {
    await this[Symbol.asyncDispose]();
    const outcomes = [...this.#outcomes];
    const failed = outcomes.filter(([, error]) => error !== undefined);
    const answered = outcomes.filter(([, error]) => error === undefined);
    const idsOf = (of: [string, unknown][]) => of.map(([id]) => id);
    return {
      answered: answered.length,
      failed: failed.length,
      unresolved: this.#startedCount - outcomes.length,
      executedTwice: idsOf(
        [...this.#executed].filter(([, times]) => times > 1),
      ),
      answeredUnexecuted: idsOf(
        answered.filter(([id]) => !this.#executed.has(id)),
      ),
      executedUnsent: idsOf(
        failed.filter(
          ([id, error]) => error?.sent === false && this.#executed.has(id),
        ),
      ),
      illFailed: idsOf(
        failed.filter(
          ([, error]) =>
            error?.code !== "unavailable" || error.sent === undefined,
        ),
      ),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What is still on its way arrives first.
    for (const proxy of this.proxies) proxy.set({ isSilent: false });
    await this.#client.close();
    await Promise.all(this.#servers.map((server) => server.close()));
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }
}

/** What a verdict has to say besides its counts. */
export const nothingWrong = {
  unresolved: 0,
  executedTwice: [],
  answeredUnexecuted: [],
  executedUnsent: [],
  illFailed: [],
};
