import type { StopSignal } from "./exit-code.ts";
import type { Io, Sink } from "./io.ts";

export interface ProcessIo extends Io {
  /** Resolves when all that was written has left the process: exiting before would cut it. */
  flush(): Promise<void>;
}

/** The process itself as an Io. `exit` comes from main.ts, which alone ends the process. */
export function processIo(exit: (code: number) => void): ProcessIo {
  const stdout = new StreamSink(process.stdout);
  const stderr = new StreamSink(process.stderr);
  return {
    stdout,
    stderr,
    env: process.env,
    readStdin: () => Bun.stdin.text(),
    onSignal(listener) {
      const onInterrupt = () => listener("SIGINT");
      const onTerminate = () => listener("SIGTERM");
      process.on("SIGINT" satisfies StopSignal, onInterrupt);
      process.on("SIGTERM" satisfies StopSignal, onTerminate);
      return () => {
        process.off("SIGINT", onInterrupt);
        process.off("SIGTERM", onTerminate);
      };
    },
    onFault(listener) {
      process.on("unhandledRejection", listener);
      process.on("uncaughtException", listener);
      return () => {
        process.off("unhandledRejection", listener);
        process.off("uncaughtException", listener);
      };
    },
    keepStdout() {
      const error = console.error.bind(console);
      Object.assign(console, { log: error, info: error, debug: error });
    },
    exit,
    async flush() {
      await Promise.all([stdout.flushed, stderr.flushed]);
    },
  };
}

/** A stream whose reader may be slow, or gone (`geerpc … | head -1`), which is no failure. */
class StreamSink implements Sink {
  readonly #stream: NodeJS.WriteStream;
  flushed: Promise<void> = Promise.resolve();

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.on("error", () => {});
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY;
  }

  write(text: string): void {
    this.flushed = new Promise((resolve) => {
      this.#stream.write(text, () => resolve());
    });
  }
}
