import { RpcError } from "../../src/errors.ts";
import type { XClient } from "../../src/xclient/xclient.ts";

/** Callers at a time. */
const callerCount = 4;

/** Calls of `Foo.Whoami` without end, some at a time, and what becomes of them. */
export class RegistryLoad implements AsyncDisposable {
  readonly failures: RpcError[] = [];
  answeredCount = 0;
  readonly #client: XClient;
  readonly #pauseMs: number;
  readonly #callers: Promise<unknown>;
  readonly #waiting = new Set<() => void>();
  /** The addresses that have answered since that was last asked. */
  #answering = new Set<string>();
  #isOver = false;

  /** @param pauseMs from an answer to the next call of the same caller */
  constructor(client: XClient, pauseMs: number) {
    this.#client = client;
    this.#pauseMs = pauseMs;
    this.#callers = Promise.all(
      Array.from({ length: callerCount }, () => this.#call()),
    );
  }

  /** Resolves when each of `addresses` has answered a call from now on. */
  async answeredBy(addresses: readonly string[]): Promise<void> {
    this.#answering = new Set();
    await this.#until(() =>
      addresses.every((address) => this.#answering.has(address)),
    );
  }

  /** Resolves after `count` more calls, however they end. */
  async more(count: number): Promise<void> {
    const ended = () => this.answeredCount + this.failures.length;
    const enough = ended() + count;
    await this.#until(() => ended() >= enough);
  }

  /** Lets the calls that are under way end. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#callers;
  }

  async #call(): Promise<void> {
    while (!this.#isOver) {
      try {
        const { address } = await this.#client.call<{ address: string }>(
          "Foo.Whoami",
        );
        this.#answering.add(address);
        this.answeredCount++;
      } catch (thrown) {
        this.failures.push(RpcError.from(thrown));
      }
      for (const look of [...this.#waiting]) look();
      await Bun.sleep(this.#pauseMs);
    }
  }

  #until(holds: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = () => {
      if (!holds()) return;
      this.#waiting.delete(look);
      resolve();
    };
    this.#waiting.add(look);
    look();
    return promise;
  }
}
