import type { StopSignal } from "./exit-code.ts";
import type { Io, Sink } from "./io.ts";
import { PipeSink } from "./pipe-sink.ts";

const interruptedFlushMs = 500;

export interface ProcessIo extends Io {
  /**
   * Resolves when all that was written has left the process: exiting before
   * would cut it. After a signal a reader that does not read has 500 ms.
   */
  flush(): Promise<void>;
}

/** The process itself as an Io. `exit` comes from main.ts, which alone ends the process. */
export async function processIo(
  exit: (code: number) => void,
): Promise<ProcessIo> {
  const [stdout, stderr] = await Promise.all([
    openSink("stdout"),
    openSink("stderr"),
  ]);
  let isInterrupted = false;
  return {
    stdout,
    stderr,
    env: process.env,
    readStdin: () => Bun.stdin.text(),
    stdinChunks: () => Bun.stdin.stream(),
    onSignal(listener) {
      const tell = (signal: StopSignal) => {
        isInterrupted = true;
        listener(signal);
      };
      const onInterrupt = () => tell("SIGINT");
      const onTerminate = () => tell("SIGTERM");
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
      const flushed = Promise.all([stdout.flush(), stderr.flush()]);
      if (!isInterrupted) await flushed;
      else await Promise.race([flushed, Bun.sleep(interruptedFlushMs)]);
    },
  };
}

/** The runtime's streams, which take 9 ms to load, are for terminals alone. */
async function openSink(name: "stdout" | "stderr"): Promise<Sink> {
  const stat = await Bun[name].stat();
  return stat.isCharacterDevice()
    ? new StreamSink(process[name])
    : new PipeSink(Bun[name].writer());
}

/** A terminal, or a device that looks like one. */
class StreamSink implements Sink {
  readonly #stream: NodeJS.WriteStream;
  #flushed: Promise<boolean> = Promise.resolve(true);

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.on("error", () => {});
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY;
  }

  write(text: string): void {
    this.#flushed = new Promise((resolve) => {
      this.#stream.write(text, (error) => resolve(!error));
    });
  }

  flush(): Promise<boolean> {
    return this.#flushed;
  }
}
