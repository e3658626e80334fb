import type { StopSignal } from "../../src/cli/exit-code.ts";
import type { Io, Sink } from "../../src/cli/io.ts";

/** A sink that keeps what it is given, and tells when there is a whole line. */
export class FakeSink implements Sink {
  isTerminal = false;
  text = "";
  readonly #firstLine = Promise.withResolvers<string>();

  write(text: string): void {
    this.text += text;
    const end = this.text.indexOf("\n");
    if (end >= 0) this.#firstLine.resolve(this.text.slice(0, end));
  }

  flush(): Promise<boolean> {
    return Promise.resolve(true);
  }

  /** What was written, line by line. */
  get lines(): string[] {
    return this.text.split("\n").slice(0, -1);
  }

  get firstLine(): Promise<string> {
    return this.#firstLine.promise;
  }
}

/** A process that is none: what a command wrote, and signals by hand. */
export class FakeIo implements Io {
  readonly stdout = new FakeSink();
  readonly stderr = new FakeSink();
  readonly env: Record<string, string | undefined>;
  stdin = "";
  /** Codes that the process would have ended with at once. */
  readonly exits: number[] = [];
  readonly #attached = Promise.withResolvers<void>();
  readonly #faultListeners = new Set<(thrown: unknown) => void>();
  readonly #listeners = new Set<(signal: StopSignal) => void>();

  constructor(env: Record<string, string | undefined> = {}) {
    this.env = env;
  }

  readStdin(): Promise<string> {
    return Promise.resolve(this.stdin);
  }

  async *stdinChunks(): AsyncGenerator<Uint8Array, void> {
    yield Buffer.from(this.stdin);
  }

  onSignal(listener: (signal: StopSignal) => void): () => void {
    this.#listeners.add(listener);
    this.#attached.resolve();
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once somebody listens for signals. */
  get attached(): Promise<void> {
    return this.#attached.promise;
  }

  /** How many listen for signals: 0 once a command has ended. */
  get listeners(): number {
    return this.#listeners.size + this.#faultListeners.size;
  }

  signal(signal: StopSignal): void {
    for (const listener of this.#listeners) listener(signal);
  }

  onFault(listener: (thrown: unknown) => void): () => void {
    this.#faultListeners.add(listener);
    return () => this.#faultListeners.delete(listener);
  }

  /** Something that nobody caught. */
  fault(thrown: unknown): void {
    for (const listener of this.#faultListeners) listener(thrown);
  }

  keepStdout(): void {}

  exit(code: number): void {
    this.exits.push(code);
  }

  /** The one line of stdout that a registry or a server prints: where it listens. */
  async listening(): Promise<string> {
    const line = await this.stdout.firstLine;
    return (JSON.parse(line) as { listening: string }).listening;
  }
}
