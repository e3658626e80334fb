import type { Io } from "../io.ts";
import { selfCommand } from "../self.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

/** How a process ended: by itself, or by a signal. */
export interface Ending {
  exitCode: number | null;
  signal: string | null;
}

/** A worker as its parent sees it. */
export interface WorkerProcess {
  readonly pid: number;
  /** One that is gone hears nothing. */
  send(message: ToWorker): void;
  /** Ends it at once. */
  kill(): void;
  /** Resolves when it is gone. */
  readonly ended: Promise<Ending>;
}

export type SpawnWorker = (
  onMessage: (message: FromWorker) => void,
) => WorkerProcess;

/** Runs this very geerpc once more, as a worker. What it logs and prints goes where this process's does. */
export function workerSpawner(env: Io["env"]): SpawnWorker {
  return (onMessage) => {
    const { promise, resolve } = Promise.withResolvers<Ending>();
    const child = Bun.spawn([...selfCommand(), "server-worker"], {
      // With the flags' twins: a worker reads none, and its services may.
      env: { ...env },
      stdio: ["ignore", "inherit", "inherit"],
      serialization: "advanced",
      ipc: (message) => onMessage(message as FromWorker),
      onExit: (_, exitCode, signal) =>
        resolve({ exitCode, signal: signal === null ? null : String(signal) }),
    });
    return {
      pid: child.pid,
      send(message) {
        try {
          child.send(message);
        } catch {
          // Its channel closes before its end is told.
        }
      },
      kill: () => child.kill("SIGKILL"),
      ended: promise,
    };
  };
}
