import type { StopSignal } from "./exit-code.ts";

export interface Sink {
  write(text: string): void;
  /**
   * Resolves when all that was written has left the process: with true, or
   * with false where nobody reads it any more (`geerpc … | head -1`).
   */
  flush(): Promise<boolean>;
  /** Whether a person looks at it. */
  readonly isTerminal: boolean;
}

/** All that a subcommand sees of its process, so that a test can run it without one. */
export interface Io {
  /** Results only. */
  readonly stdout: Sink;
  /** Everything else: logs, progress, errors. */
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The whole of stdin, as text. */
  readStdin(): Promise<string>;
  /** The bytes of stdin as they come; no more is read than is asked for. */
  stdinChunks(): AsyncIterable<Uint8Array>;
  /** Tells of each SIGINT and SIGTERM until the function that it returns is called. */
  onSignal(listener: (signal: StopSignal) => void): () => void;
  /**
   * Tells of what nobody caught, a rejection or a throw, until the function
   * that it returns is called. While somebody listens it does not end the process.
   */
  onFault(listener: (thrown: unknown) => void): () => void;
  /** From now on `console.log` of users' code goes to stderr: stdout is for results. */
  keepStdout(): void;
  /** Ends the process at once, whatever runs. Commands end by returning their exit code. */
  exit(code: number): void;
}

/** Colours only on a terminal, and none with NO_COLOR (no-color.org: set and not empty) or on a dumb one. */
export function hasColours(
  sink: Pick<Sink, "isTerminal">,
  env: Io["env"],
): boolean {
  return sink.isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb";
}
