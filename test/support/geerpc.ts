import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

/** How long a process may take to say where it listens, or to end. */
const patienceMs = 20_000;
/** How long a program that is no longer needed may take to end in order. */
const disposeMs = 5_000;

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

/** Builds the executable into a folder of its own; `remove` takes it away again. */
export async function buildExecutable(): Promise<{
  path: string;
  remove(): Promise<void>;
}> {
  const folder = await mkdtemp(join(tmpdir(), "geerpc-build-"));
  const path = join(folder, "geerpc");
  const build = [process.execPath, "build.ts", "--outfile", path];
  const { code, stderr } = await Program.run(build, { cwd: root });
  if (code !== 0) throw new Error(`the build failed: ${stderr}`);
  return { path, remove: () => rm(folder, { recursive: true }) };
}

export interface ProgramOptions {
  cwd: string;
  env?: Record<string, string>;
  stdin?: string;
}

/** A program as a process of its own, ended by its id and waited for. */
export class Program implements AsyncDisposable {
  readonly #process: Bun.Subprocess<Blob | "ignore", "pipe", "pipe">;
  readonly #stdout: Tail;
  readonly #stderr: Tail;

  constructor(
    command: readonly string[],
    { cwd, env = {}, stdin }: ProgramOptions,
  ) {
    this.#process = Bun.spawn([...command], {
      cwd,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: process.env["HOME"] ?? "",
        ...env,
      },
      stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#stdout = new Tail(this.#process.stdout);
    this.#stderr = new Tail(this.#process.stderr);
  }

  /** Runs a program to its end. */
  static async run(
    command: readonly string[],
    options: ProgramOptions,
  ): Promise<Result> {
    await using program = new Program(command, options);
    return await program.ended();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get stdout(): string {
    return this.#stdout.text;
  }

  get stderr(): string {
    return this.#stderr.text;
  }

  /** Where it listens, once it has said so. */
  async listening(): Promise<string> {
    const line = await this.stdoutLine(/^\{.*\}$/m);
    return (JSON.parse(line) as { listening: string }).listening;
  }

  /** The first text on stdout that matches, once it is there. */
  stdoutLine(pattern: RegExp): Promise<string> {
    return this.#find(this.#stdout, pattern);
  }

  /** The first text on stderr that matches, once it is there. */
  stderrLine(pattern: RegExp): Promise<string> {
    return this.#find(this.#stderr, pattern);
  }

  async #find(tail: Tail, pattern: RegExp): Promise<string> {
    const found = await patiently(tail.until(pattern), () => this.#said());
    if (found === undefined) throw new Error(`it ended early: ${this.#said()}`);
    return found;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Resolves with its exit code once it is gone, however long that takes. */
  get exited(): Promise<number> {
    return this.#process.exited;
  }

  /** Waits for its end. */
  async ended(): Promise<Result> {
    const ended = Promise.all([
      this.#process.exited,
      this.#stdout.done,
      this.#stderr.done,
    ]);
    const [code] = await patiently(ended, () => this.#said());
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In order first, so that it leaves nothing behind.
    if (this.#process.exitCode === null) this.signal("SIGTERM");
    const cut = setTimeout(() => this.signal("SIGKILL"), disposeMs);
    await this.#process.exited;
    clearTimeout(cut);
  }

  #said(): string {
    return `process ${this.pid} said "${this.stdout}" and "${this.stderr}"`;
  }
}

/** A stream as text, which grows. */
class Tail {
  text = "";
  readonly done: Promise<void>;
  #changed = Promise.withResolvers<void>();
  #isDone = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.done = this.#read(stream);
  }

  /** The first match, or undefined where the stream ends without one. */
  async until(pattern: RegExp): Promise<string | undefined> {
    for (;;) {
      const match = pattern.exec(this.text);
      if (match !== null) return match[0];
      if (this.#isDone) return undefined;
      await this.#changed.promise;
    }
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.text += decoder.decode(chunk, { stream: true });
      this.#change();
    }
    this.#isDone = true;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Fails, with what is known, rather than hang. */
async function patiently<T>(work: Promise<T>, said: () => string): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`nothing within ${patienceMs} ms: ${said()}`)),
    patienceMs,
  );
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a process of this id is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
