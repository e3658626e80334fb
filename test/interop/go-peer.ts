import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { goMissing } from "../codec/gob/go-program.ts";

/** On CI a missing Go is a failure, elsewhere those tests are skipped. */
export const isSkipped =
  goMissing !== undefined && process.env["CI"] !== "true";
if (isSkipped) console.error(`skipped: peers in Go: ${goMissing}`);

/** For a beforeAll() that builds: Go's own packages may have to be compiled first. */
export const buildTimeoutMs = 180_000;

/** How long a program may take to say where it listens, or to end. */
const patienceMs = 20_000;

const programs = new Map<string, Promise<string>>();

/** The executable of a program in test/interop/go/, built once in a run. */
export function goProgram(name: string): Promise<string> {
  let program = programs.get(name);
  if (program === undefined) {
    program = build(name);
    programs.set(name, program);
  }
  return program;
}

async function build(name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "geerpc-go-"));
  // Its input ends with this process, however that ends.
  Bun.spawn(["sh", "-c", 'cat >/dev/null; rm -rf "$0"', folder], {
    stdin: "pipe",
    stdout: "ignore",
  }).unref();
  const executable = join(folder, name);
  const go = Bun.spawn(["go", "build", "-o", executable, "."], {
    cwd: join(import.meta.dir, "go", name),
    env: { ...process.env, GOFLAGS: "", GOWORK: "off", GO111MODULE: "auto" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const [errors, exitCode] = await Promise.all([go.stderr.text(), go.exited]);
  if (exitCode !== 0) throw new Error(`go build failed: ${errors}`);
  return executable;
}

/** A program that is told and tells by lines, and ends when its input does. */
export class LineProgram implements AsyncDisposable {
  readonly #process: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #errors: Promise<string>;
  readonly #lines: AsyncIterator<string>;

  constructor(command: readonly string[]) {
    this.#process = Bun.spawn([...command], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#errors = this.#process.stderr.text();
    this.#lines = linesOf(this.#process.stdout);
  }

  get pid(): number {
    return this.#process.pid;
  }

  write(line: string): void {
    this.#process.stdin.write(`${line}\n`);
    void this.#process.stdin.flush();
  }

  /** The next line of its output. */
  async line(): Promise<string> {
    const next = await this.#patiently(this.#lines.next());
    if (next.done === true) {
      throw new Error(`it ended early: ${await this.#errors}`);
    }
    return next.value;
  }

  /** What it still prints until it ends by itself. */
  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const next = await this.#patiently(this.#lines.next());
      if (next.done === true) break;
      lines.push(next.value);
    }
    const exitCode = await this.#process.exited;
    if (exitCode !== 0) {
      throw new Error(`it ended with ${exitCode}: ${await this.#errors}`);
    }
    return lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.stdin.end();
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 2_000);
    await this.#process.exited;
    clearTimeout(timer);
  }

  async #patiently<T>(work: Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), patienceMs);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
    }
  }
}

async function* linesOf(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
  if (text !== "") yield text;
}

/** Where a Go server listens, plain and over HTTP. */
export interface GoServer extends AsyncDisposable {
  readonly listening: string;
  readonly http: string;
}

/** Starts `peer serve-…`. */
export async function serveGo(...args: string[]): Promise<GoServer> {
  const program = new LineProgram([await goProgram("peer"), ...args]);
  const said = JSON.parse(await program.line()) as {
    listening: string;
    http: string;
  };
  return {
    ...said,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** Runs another of the peer's commands and gives its lines. */
export async function runPeer(...args: string[]): Promise<unknown[]> {
  await using program = new LineProgram([await goProgram("peer"), ...args]);
  return (await program.rest()).map((line) => JSON.parse(line) as unknown);
}

/** A Go client's calls, `[serviceMethod, args]`, one after the other on one connection. */
export function callFromGo(
  address: string,
  calls: readonly (readonly [string, unknown, ...unknown[]])[],
  ...flags: string[]
): Promise<unknown[]> {
  const words = calls.flatMap(([serviceMethod, args]) => [
    serviceMethod,
    JSON.stringify(args),
  ]);
  return runPeer("call", ...flags, address, ...words);
}
