import { faultLine } from "./event-line.ts";
import type { Io } from "./io.ts";
import type { Log } from "./log.ts";

/**
 * Logs what users' code threw and nobody caught. The first one asks for an
 * orderly end: what state it left behind nobody knows, and whoever runs the
 * process starts it anew.
 */
export class Faults implements Disposable {
  /** Resolves at the first one. */
  readonly first: Promise<"fault">;
  readonly #unlisten: () => void;

  constructor(io: Io, log: Log) {
    const { promise, resolve } = Promise.withResolvers<"fault">();
    this.first = promise;
    this.#unlisten = io.onFault((thrown) => {
      log.write(faultLine(thrown));
      resolve("fault");
    });
  }

  [Symbol.dispose](): void {
    this.#unlisten();
  }
}
