import type { FromWorker, ToWorker } from "./messages.ts";

/** A worker's end of the channel to its parent. */
export interface ParentLink {
  /** Resolves once the message has left; never rejects: a parent that is gone hears nothing. */
  send(message: FromWorker): Promise<void>;
  /** Each message from now on, and those that nobody has heard yet. */
  onMessage(listener: (message: ToWorker) => void): void;
  /** Resolves when the parent is gone, however it ended. */
  readonly gone: Promise<void>;
}

/** This process's channel; undefined where no geerpc has started it. */
export function processLink(): ParentLink | undefined {
  if (process.send === undefined) return undefined;
  const gone = Promise.withResolvers<void>();
  process.once("disconnect", gone.resolve);
  return {
    send: (message) =>
      new Promise((resolve) => {
        if (!process.connected) resolve();
        else process.send?.(message, undefined, undefined, () => resolve());
      }),
    onMessage(listener) {
      process.on("message", listener);
    },
    gone: gone.promise,
  };
}
