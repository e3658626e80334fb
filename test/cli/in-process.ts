import { run } from "../../src/cli/root.ts";
import { FakeIo } from "../support/fake-io.ts";

// Commands that run inside the test's own process.

export interface Started extends AsyncDisposable {
  io: FakeIo;
  listening: string;
  /** Resolves with the exit code. */
  ended: Promise<number>;
}

/** A registry or a server, which listens. */
export async function start(...args: string[]): Promise<Started> {
  const io = new FakeIo();
  const ended = run(args, io);
  const failed = ended.then((code) => {
    throw new Error(`exit ${code}: ${io.stderr.text}`);
  });
  const listening = await Promise.race([io.listening(), failed]);
  failed.catch(() => {});
  return {
    io,
    listening,
    ended,
    async [Symbol.asyncDispose]() {
      io.signal("SIGTERM");
      await ended;
    },
  };
}

export function startRegistry(): Promise<Started> {
  return start("registry", "--listen", "127.0.0.1:0");
}

export interface Result {
  code: number;
  io: FakeIo;
  /** What is on stdout, line by line, parsed. */
  out: unknown[];
  /** The last line on stderr, parsed. */
  error: {
    code: string;
    message: string;
    sent?: boolean;
    attempts?: { address: string; code: string }[];
  };
}

export async function client(
  args: string[],
  io = new FakeIo(),
): Promise<Result> {
  const code = await run(["client", ...args], io);
  const last = io.stderr.lines.at(-1);
  return {
    code,
    io,
    out: io.stdout.lines.map((line) => JSON.parse(line)),
    error: last?.startsWith("{") ? JSON.parse(last) : undefined,
  };
}
