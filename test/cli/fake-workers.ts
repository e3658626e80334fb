import type { Tally } from "../../src/server/debug/tally.ts";
import type { FromWorker, ToWorker } from "../../src/cli/workers/messages.ts";
import type {
  Ending,
  WorkerProcess,
} from "../../src/cli/workers/worker-process.ts";

/** A process that is none: what it was told, and what it says by hand. */
export class FakeProcess implements WorkerProcess {
  readonly pid: number;
  readonly told: ToWorker[] = [];
  readonly ended: Promise<Ending>;
  isKilled = false;
  readonly #say: (message: FromWorker) => void;
  readonly #ended = Promise.withResolvers<Ending>();

  constructor(pid: number, say: (message: FromWorker) => void) {
    this.pid = pid;
    this.#say = say;
    this.ended = this.#ended.promise;
  }

  send(message: ToWorker): void {
    this.told.push(message);
  }

  kill(): void {
    this.isKilled = true;
    this.end(null, "SIGKILL");
  }

  say(message: FromWorker): void {
    this.#say(message);
  }

  listen(): void {
    const address = "tcp@127.0.0.1:7";
    this.say({ kind: "listening", address, services: ["Foo"] });
  }

  end(exitCode: number | null, signal: string | null = null): void {
    this.#ended.resolve({ exitCode, signal });
  }

  /** How often it was told this. */
  count(kind: ToWorker["kind"]): number {
    return this.told.filter((each) => each.kind === kind).length;
  }
}

/** Starts them, and keeps them in order. */
export class FakeProcesses {
  readonly list: FakeProcess[] = [];
  readonly spawn = (say: (message: FromWorker) => void): FakeProcess => {
    const process = new FakeProcess(101 + this.list.length, say);
    this.list.push(process);
    return process;
  };

  at(index: number): FakeProcess {
    const process = this.list[index];
    if (process === undefined) throw new Error(`no process ${index}`);
    return process;
  }
}

/** Figures of a process that has served so many connections. */
export function tallyOfOne(pid: number, connections: number): Tally {
  return {
    server: {
      state: "serving",
      uptimeMs: 10 * connections,
      connections,
      addresses: ["tcp@127.0.0.1:7"],
      pid,
    },
    services: new Map(),
  };
}
