import { Histogram } from "../../src/metrics/histogram.ts";
import { LineProgram } from "../interop/go-peer.ts";
import { cpuSeconds, rssBytes } from "../soak/process.ts";
import type { Commands } from "./peers.ts";
import type { SliceAnswer, SliceRequest } from "./programs/load.ts";

/** What one slice of a peer came to. */
export interface SliceFigures {
  count: number;
  callsPerSecond: number;
  p50Us: number;
  p99Us: number;
  /** Of all its processes. */
  cpuUsPerCall: number;
  rssBytes: number;
}

/** Starts a broker and ends it by its id when the input ends, which it does also when this process dies. */
const guarded = '"$@" 2>&1 & echo $!; cat >/dev/null; kill $!; wait';

/** A peer's processes: a server, a client and, where there is one, a broker. They end with it. */
export class RunningPeer implements AsyncDisposable {
  readonly #programs: AsyncDisposableStack;
  readonly #client: LineProgram;
  /** Of all its processes. */
  readonly pids: readonly number[];

  private constructor(
    programs: AsyncDisposableStack,
    client: LineProgram,
    pids: readonly number[],
  ) {
    this.#programs = programs;
    this.#client = client;
    this.pids = pids;
  }

  /**
   * Resolves once it can be called.
   *
   * @throws Error  one of its programs ended, or said nothing within 20 s
   */
  static async start(commands: Commands): Promise<RunningPeer> {
    await using programs = new AsyncDisposableStack();
    const pids: number[] = [];
    let broker = "";
    if (commands.broker !== undefined) {
      const words = ["sh", "-c", guarded, "broker", ...commands.broker];
      const program = programs.use(new LineProgram(words));
      pids.push(Number(await program.line()));
      broker = await listeningIn(program);
    }
    const server = programs.use(new LineProgram(commands.serve(broker)));
    const { listening } = JSON.parse(await server.line()) as {
      listening: string;
    };
    const client = programs.use(new LineProgram(commands.call(listening)));
    await client.line();
    pids.push(server.pid, client.pid);
    return new RunningPeer(programs.move(), client, pids);
  }

  /** @throws Error  a call failed, an answer was wrong, or a program ended */
  async slice(request: SliceRequest): Promise<SliceFigures> {
    const cpuBefore = await this.#cpuUs();
    this.#client.write(JSON.stringify(request));
    const answer = JSON.parse(await this.#client.line()) as
      SliceAnswer | { error: string };
    if ("error" in answer) throw new Error(answer.error);
    const cpuUs = (await this.#cpuUs()) - cpuBefore;
    const memory = await Promise.all(this.pids.map(rssBytes));
    const { count, elapsedMs } = answer;
    const latenciesUs = Histogram.of(answer.latencies);
    return {
      count,
      callsPerSecond: (count / elapsedMs) * 1_000,
      p50Us: latenciesUs.quantile(0.5),
      p99Us: latenciesUs.quantile(0.99),
      cpuUsPerCall: cpuUs / count,
      rssBytes: memory.reduce((sum, bytes) => sum + bytes, 0),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#programs.disposeAsync();
  }

  async #cpuUs(): Promise<number> {
    const times = await Promise.all(this.pids.map(cpuSeconds));
    return times.reduce((sum, seconds) => sum + seconds * 1_000_000, 0);
  }
}

/** What nats-server says as soon as it accepts connections. */
async function listeningIn(program: LineProgram): Promise<string> {
  for (;;) {
    const found = /client connections on (\S+)/.exec(await program.line());
    if (found !== null) return found[1] as string;
  }
}
