import type { DebugReport } from "../../server/debug/report.ts";
import type { Tally } from "../../server/debug/tally.ts";
import type { LogLine } from "../event-line.ts";
import type { ServerValues } from "../server.ts";

/** All that a worker needs to serve. */
export interface WorkerStart {
  /** From 1. A worker that takes the place of another has its number. */
  worker: number;
  /** With the port that all of them share. */
  listen: string;
  files: readonly string[];
  /** The flags, as the parent has read them. */
  values: ServerValues;
  /** Whether a registry knows the server already, or need not. */
  isReady: boolean;
  /** Whether it logs what it exposes: all of them expose the same, so one does. */
  tellsServices: boolean;
}

/** What the parent says to a worker. The first message is `start`. */
export type ToWorker =
  | ({ kind: "start" } & WorkerStart)
  /** A registry knows the server now. */
  | { kind: "ready" }
  /** It ends in order: exit code 0. */
  | { kind: "drain" }
  /** Asks for its figures. */
  | { kind: "tally" }
  /** The figures of all, which it has asked for. */
  | { kind: "sum"; report: DebugReport };

/** What a worker says to the parent. */
export type FromWorker =
  | { kind: "listening"; address: string; services: string[] }
  /** Why it does not start; it ends then. */
  | { kind: "start-failed"; line: LogLine }
  /** It accepts nothing more and ends once its calls have finished: another one may take its place. */
  | { kind: "leaving" }
  | { kind: "tally"; tally: Tally }
  /** Asks for the figures of all. */
  | { kind: "sum" };
