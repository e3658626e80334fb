import { type StopSignal, signalExitCode } from "./exit-code.ts";
import type { Io } from "./io.ts";

/**
 * Listens for SIGINT and SIGTERM from now on. The first one asks for an
 * orderly end; a second one ends the process at once, with 128 and its number.
 */
export class Signals implements Disposable {
  /** Resolves with the first signal. */
  readonly first: Promise<StopSignal>;
  /** Aborts at the first signal. */
  readonly abort: AbortSignal;
  readonly #unlisten: () => void;

  constructor(io: Pick<Io, "onSignal" | "exit">) {
    const { promise, resolve } = Promise.withResolvers<StopSignal>();
    const controller = new AbortController();
    this.first = promise;
    this.abort = controller.signal;
    this.#unlisten = io.onSignal((signal) => {
      if (controller.signal.aborted) {
        io.exit(signalExitCode(signal));
        return;
      }
      resolve(signal);
      controller.abort();
    });
  }

  [Symbol.dispose](): void {
    this.#unlisten();
  }
}
