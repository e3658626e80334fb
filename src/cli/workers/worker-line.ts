import { eventLine, type LogLine } from "../event-line.ts";
import type { Log } from "../log.ts";
import type { Ending } from "./worker-process.ts";

/** A log whose lines say which worker they are of. */
export function workerLog(log: Log, worker: number): Log {
  const write = (line: LogLine) =>
    log.write({
      ...line,
      message: `worker ${worker}: ${line.message}`,
      fields: { ...line.fields, worker },
    });
  return { write, onEvent: (event) => write(eventLine(event)) };
}

/** A worker serves. */
export function startedLine(worker: number, pid: number): LogLine {
  return {
    level: "info",
    message: `worker ${worker} is process ${pid}`,
    fields: { event: "worker-started", worker, pid },
  };
}

/** A worker that served has ended, or is about to. */
export function lostLine(
  worker: number,
  pid: number,
  ending: Ending | undefined,
  retryInMs: number,
): LogLine {
  const how = ending === undefined ? "is ending" : endingText(ending);
  return {
    level: "warn",
    message: `worker ${worker}, process ${pid}, ${how}; another one starts ${whenText(retryInMs)}`,
    fields: { event: "worker-lost", worker, pid, ...ending, retryInMs },
  };
}

/** A worker has ended before it served. */
export function notStartedLine(
  worker: number,
  failure: LogLine,
  retryInMs: number,
): LogLine {
  return {
    ...failure,
    message: `worker ${worker} did not start, and starts again ${whenText(retryInMs)}: ${failure.message}`,
    fields: {
      ...failure.fields,
      event: "worker-not-started",
      worker,
      retryInMs,
    },
  };
}

/** Why a worker that said nothing did not start. */
export function endedEarlyLine(ending: Ending): LogLine {
  return {
    level: "error",
    message: `the process ${endingText(ending)} before it listened`,
    fields: { event: "start-failed", code: "unavailable", ...ending },
  };
}

/** A worker did not end within its time. */
export function cutLine(worker: number, pid: number): LogLine {
  return {
    level: "warn",
    message: `worker ${worker}, process ${pid}, does not end: it is killed`,
    fields: { event: "worker-cut", worker, pid },
  };
}

function endingText({ exitCode, signal }: Ending): string {
  return signal === null
    ? `ended with exit code ${exitCode}`
    : `was ended by ${signal}`;
}

function whenText(retryInMs: number): string {
  return retryInMs === 0 ? "at once" : `in ${Math.round(retryInMs)} ms`;
}
