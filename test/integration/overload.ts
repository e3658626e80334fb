import type { Clock } from "../../src/base/clock.ts";
import { Queue } from "../../src/base/queue.ts";
import type { Client } from "../../src/client/client.ts";
import { RpcError } from "../../src/errors.ts";

/** A dependency of known capacity: so many calls at a time, each so long; the others wait in order. */
export class Pool {
  readonly #clock: Clock;
  readonly #waiting = new Queue<() => void>();
  readonly #places: number;
  #taken = 0;
  serviceMs: number;

  constructor(clock: Clock, places: number, serviceMs: number) {
    this.#clock = clock;
    this.#places = places;
    this.serviceMs = serviceMs;
  }

  /** Calls per second. */
  get capacity(): number {
    return (this.#places * 1_000) / this.serviceMs;
  }

  async use(): Promise<void> {
    if (this.#taken === this.#places) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#taken++;
    await new Promise<void>((resolve) => {
      this.#clock.after(this.serviceMs, resolve);
    });
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  }
}

/** A service all of whose calls need the pool, and do not ask whether anybody still waits. */
export class Work {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  async run(): Promise<string> {
    await this.#pool.use();
    return "done";
  }
}

/** How one call ended. */
export interface Ending {
  startedAt: number;
  elapsedMs: number;
  /** `ok`, or the error's code. */
  code: string;
  sent: boolean | undefined;
}

/**
 * Offers calls of Work.run evenly, `callsPerSecond` for `durationMs`, each
 * with a deadline of 1 s; gives how they ended, in any order, when all have.
 * Somebody else moves the clock.
 */
export async function offer(
  client: Pick<Client, "call">,
  clock: Clock,
  callsPerSecond: number,
  durationMs: number,
): Promise<Ending[]> {
  const calls: Promise<Ending>[] = [];
  const count = (callsPerSecond * durationMs) / 1_000;
  const beganAt = clock.now();
  const one = async (): Promise<Ending> => {
    const startedAt = clock.now();
    let code = "ok";
    let sent: boolean | undefined;
    try {
      await client.call("Work.run", undefined, { timeoutMs: 1_000 });
    } catch (thrown) {
      ({ code, sent } = RpcError.from(thrown));
    }
    return { startedAt, elapsedMs: clock.now() - startedAt, code, sent };
  };
  for (let call = 0; call < count; call++) {
    const waitMs = beganAt + (call * 1_000) / callsPerSecond - clock.now();
    if (waitMs > 0) {
      await new Promise<void>((resolve) => void clock.after(waitMs, resolve));
    }
    calls.push(one());
  }
  return Promise.all(calls);
}

/** Calls answered in time per second of a load. */
export function goodput(
  endings: readonly Ending[],
  durationMs: number,
): number {
  const answered = endings.filter(({ code }) => code === "ok");
  return (answered.length * 1_000) / durationMs;
}

/** The longest that a refused call took, in ms. */
export function slowestRefusalMs(endings: readonly Ending[]): number {
  const refused = endings.filter(({ code }) => code === "resource_exhausted");
  return Math.max(0, ...refused.map(({ elapsedMs }) => elapsedMs));
}
