import { type ConsolaInstance, createConsola } from "consola";
import type { Remote } from "../service/remote.ts";
import { RpcError } from "../errors.ts";
import { Registry } from "../registry/registry.ts";
import { connect } from "../xclient/connect.ts";
import type { XClient } from "../xclient/xclient.ts";
import { Child } from "./child.ts";
import { defineSubcommand } from "./command.ts";
import type { Foo } from "./demo-service.ts";
import { escapeText } from "./escape.ts";
import { exitCode, signalExitCode } from "./exit-code.ts";
import { hasColours, type Io } from "./io.ts";
import { toJsonLine } from "./json.ts";
import { Signals } from "./signals.ts";

/** As long as the original's. */
const broadcastTimeoutMs = 2_000;

export const command = defineSubcommand({
  name: "demo",
  description:
    "Shows it all at work: a registry, two servers, calls, broadcasts",
  flags: {},
  notes: `Takes about three seconds, leaves nothing behind, and exits 1 if anything came
out other than it should.`,

  async run(_parsed, io) {
    using signals = new Signals(io);
    const say = narrator(io);
    const show = new Demo(say, io.env, signals.abort);
    const code = await show.run().catch((thrown: unknown) => {
      if (!signals.abort.aborted) {
        say.fail(escapeText(RpcError.from(thrown).message));
      }
      return exitCode.failed;
    });
    return signals.abort.aborted ? signalExitCode(await signals.first) : code;
  },
});

/** consola on stdout: what is told is this command's result. */
function narrator(io: Io): ConsolaInstance {
  const stream = io.stdout as unknown as NodeJS.WriteStream;
  const isFancy = hasColours(io.stdout, io.env);
  return createConsola({
    level: 3,
    throttle: 0,
    stdout: stream,
    stderr: stream,
    formatOptions: { date: false },
    ...(isFancy
      ? { fancy: true }
      : {
          reporters: [
            {
              log: ({ type, args }) =>
                io.stdout.write(`${`[${type}]`.padEnd(9)} ${args[0]}\n`),
            },
          ],
        }),
  });
}

type Services = { Foo: Foo };

/** The original's main(): what it did, and whether it came out right. */
class Demo {
  readonly #say: ConsolaInstance;
  readonly #env: Io["env"];
  readonly #signal: AbortSignal;
  #wrong = 0;

  constructor(say: ConsolaInstance, env: Io["env"], signal: AbortSignal) {
    this.#say = say;
    this.#env = env;
    this.#signal = signal;
  }

  /** Ends with its processes gone, also where it throws. */
  async run(): Promise<number> {
    const startedAt = performance.now();
    await using registry = new Registry();
    const url = await registry.listen("127.0.0.1:0");
    this.#say.start(`a registry at ${url}`);
    await using stack = new AsyncDisposableStack();
    const servers = await this.#startServers(url, stack);
    await using client = await connect<Services>(url, { mode: "round-robin" });

    await this.#calls(client);
    await this.#broadcast(client, servers);
    await this.#broadcastWithTimeout(client);

    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    if (this.#wrong === 0) {
      this.#say.success(`all came out as it should, in ${seconds} s`);
      return exitCode.done;
    }
    this.#say.fail(`${this.#wrong} came out wrong`);
    return exitCode.failed;
  }

  async #startServers(
    url: string,
    stack: AsyncDisposableStack,
  ): Promise<Child[]> {
    const args = ["server", "--registry", url, "--log-level", "error"];
    const starting = [1, 2].map(async () =>
      stack.use(await Child.start(args, this.#env, this.#signal)),
    );
    // All have settled before the stack closes: none starts behind its back.
    await Promise.allSettled(starting);
    const servers = await Promise.all(starting);
    for (const { pid, listening } of servers) {
      this.#say.start(`a server at ${listening}, process ${pid}`);
    }
    return servers;
  }

  async #calls(client: XClient & Remote<Services>): Promise<void> {
    this.#say.info("five calls at the same time, each to one of the servers");
    await Promise.all(
      [0, 1, 2, 3, 4].map((i) =>
        this.#expect(
          `call Foo.Sum ${i} + ${i * i}`,
          client.Foo.Sum({ Num1: i, Num2: i * i }, { signal: this.#signal }),
          i + i * i,
        ),
      ),
    );
  }

  async #broadcast(client: XClient, servers: Child[]): Promise<void> {
    const signal = this.#signal;
    this.#say.info("a broadcast: every server is called");
    const answers = await client.broadcastSettled("Foo.Whoami", undefined, {
      signal,
    });
    for (const { listening: address, pid } of servers) {
      const answer = answers.get(address);
      const reply =
        answer !== undefined && "error" in answer
          ? Promise.reject(answer.error)
          : Promise.resolve(answer?.reply);
      await this.#expect("broadcast Foo.Whoami", reply, { address, pid });
    }
    const args = { Num1: 3, Num2: 9 };
    const reply = client.broadcast("Foo.Sum", args, { signal });
    await this.#expect("broadcast Foo.Sum 3 + 9", reply, 12);
  }

  async #broadcastWithTimeout(client: XClient): Promise<void> {
    this.#say.info(
      `broadcasts with a timeout of ${broadcastTimeoutMs / 1_000} s: who sleeps longer is cut off`,
    );
    await Promise.all(
      [0, 1, 3, 4].map((i) => {
        const args = { Num1: i, Num2: i * i };
        const reply = client.broadcast("Foo.Sleep", args, {
          timeoutMs: broadcastTimeoutMs,
          signal: this.#signal,
        });
        return this.#expect(
          `broadcast Foo.Sleep, ${i} s`,
          reply,
          i * 1_000 < broadcastTimeoutMs ? i + i * i : "deadline_exceeded",
        );
      }),
    );
  }

  /** Tells how a call ended, and counts it where that is not `expected`: a reply, or a code. */
  async #expect(
    what: string,
    reply: Promise<unknown>,
    expected: unknown,
  ): Promise<void> {
    const startedAt = performance.now();
    const outcome = await reply.catch((thrown) => RpcError.from(thrown).code);
    this.#signal.throwIfAborted();
    const elapsed = `${Math.round(performance.now() - startedAt)} ms`;
    const told = `${what} → ${toJsonLine(outcome)} (${elapsed})`;
    if (toJsonLine(outcome) === toJsonLine(expected)) {
      this.#say.success(told);
      return;
    }
    this.#wrong++;
    this.#say.fail(`${told}, expected ${toJsonLine(expected)}`);
  }
}
