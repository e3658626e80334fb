import type { Pipe, PipeHandler } from "../../src/transport/pipe.ts";

export interface PipeWatcher {
  /** Told behind each chunk of how many bytes the handler has read so far. */
  onRead?: (totalBytes: number) => void;
  /** Told when the handler is. */
  onClose?: () => void;
}

/** A pipe that is watched, and that counts the writes of which it could not take all. */
export class WatchedPipe implements Pipe {
  shortWrites = 0;
  readonly #pipe: Pipe;
  readonly #watcher: PipeWatcher;
  #readBytes = 0;

  constructor(pipe: Pipe, watcher: PipeWatcher = {}) {
    this.#pipe = pipe;
    this.#watcher = watcher;
  }

  get peer(): string {
    return this.#pipe.peer;
  }

  attach(handler: PipeHandler): void {
    this.#pipe.attach({
      data: (chunk) => {
        // A large chunk is empty once it was read (wire/chunk-memory.ts).
        this.#readBytes += chunk.length;
        handler.data(chunk);
        this.#watcher.onRead?.(this.#readBytes);
      },
      drain: () => handler.drain(),
      end: () => handler.end(),
      close: (error) => {
        this.#watcher.onClose?.();
        handler.close(error);
      },
    });
  }

  write(bytes: Uint8Array): number {
    const taken = this.#pipe.write(bytes);
    if (taken < bytes.length) this.shortWrites++;
    return taken;
  }

  pause(): void {
    this.#pipe.pause();
  }

  resume(): void {
    this.#pipe.resume();
  }

  shutdown(): void {
    this.#pipe.shutdown();
  }

  abort(): void {
    this.#pipe.abort();
  }
}
