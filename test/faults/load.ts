import { RpcError } from "../../src/errors.ts";
import { CallError } from "../../src/xclient/call-error.ts";
import type { XCallOptions } from "../../src/xclient/call-options.ts";
import type { XClient } from "../../src/xclient/xclient.ts";
import type { CallEntry } from "./ledger.ts";
import type { LedgerArgs } from "./ledger-service.ts";
import { Watchers } from "../support/watchers.ts";

export interface LoadOptions extends XCallOptions {
  /** Calls at a time. */
  inFlight: number;
  /** Of the service Ledger; one that answers its process id. Default `write`. */
  method?: string;
  /** Whether the server keeps some of the calls for some ms, executed and not answered. Default false. */
  isHeld?: boolean;
  /** From the end of a caller's call to its next one. Default 0: at once. */
  pauseMs?: number;
}

/** Ids are of one process's calls: every load goes on counting. */
let lastId = 0;

/**
 * Callers of a Ledger, each with one call at a time, which write down what
 * becomes of every call, from now until stop().
 *
 *     const load = new Load(client, { inFlight: 16 });
 *     await load.until(() => load.calls.length > 1_000);
 *     await load.stop();
 *     expect(judge(load.calls, await fleet.executions())).toMatchObject(nothingWrong);
 */
export class Load {
  readonly calls: CallEntry[] = [];
  readonly #client: XClient;
  readonly #serviceMethod: string;
  readonly #isHeld: boolean;
  readonly #pauseMs: number;
  /** Undefined where there are none: such calls go the shortest way. */
  readonly #options: XCallOptions | undefined;
  readonly #answers = new Map<number, number>();
  readonly #watchers = new Watchers();
  readonly #callers: Promise<void[]>;
  #isStopped = false;

  constructor(client: XClient, options: LoadOptions) {
    const {
      inFlight,
      method = "write",
      isHeld = false,
      pauseMs = 0,
      ...own
    } = options;
    this.#client = client;
    this.#serviceMethod = `Ledger.${method}`;
    this.#isHeld = isHeld;
    this.#pauseMs = pauseMs;
    this.#options = Object.keys(own).length > 0 ? own : undefined;
    this.#callers = Promise.all(
      Array.from({ length: inFlight }, () => this.#caller()),
    );
  }

  /** How many calls the process has answered. */
  answersOf(pid: number): number {
    return this.#answers.get(pid) ?? 0;
  }

  /** Resolves when `holds` does: now, or after a call. */
  until(holds: () => boolean): Promise<void> {
    return this.#watchers.until(holds);
  }

  /** Resolves after so many more calls. */
  more(count: number): Promise<void> {
    const goal = this.calls.length + count;
    return this.until(() => this.calls.length >= goal);
  }

  /** Starts no more calls, and lets those end that are under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#callers;
  }

  async #caller(): Promise<void> {
    while (!this.#isStopped) {
      await this.#call();
      this.#watchers.look();
      if (this.#pauseMs > 0) await Bun.sleep(this.#pauseMs);
    }
  }

  async #call(): Promise<void> {
    const id = ++lastId;
    const entry: CallEntry = {
      id,
      startedAt: Date.now(),
      tookMs: NaN,
      pid: undefined,
      error: undefined,
    };
    this.calls.push(entry);
    const startedAt = performance.now();
    try {
      const args: LedgerArgs = { id };
      if (this.#isHeld && id % 4 === 0) args.waitMs = 1 + ((id / 4) % 5);
      const pid = await this.#client.call<number>(
        this.#serviceMethod,
        args,
        this.#options,
      );
      entry.pid = pid;
      this.#answers.set(pid, this.answersOf(pid) + 1);
    } catch (thrown) {
      entry.error = RpcError.from(thrown);
    }
    entry.tookMs = performance.now() - startedAt;
  }
}

/** The server of a failed call's last attempt; undefined where none was tried. */
export function lastTried({ error }: CallEntry): string | undefined {
  return error instanceof CallError
    ? error.attempts.at(-1)?.address
    : undefined;
}
