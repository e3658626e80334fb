import { type ConsolaReporter, createConsola, LogLevels } from "consola/core";
import type { OnEvent } from "../events.ts";
import { escapeText } from "./escape.ts";
import {
  eventLine,
  type LogLevel,
  type LogLine,
  logLevels,
} from "./event-line.ts";
import { flag } from "./flags.ts";
import { hasColours, type Io, type Sink } from "./io.ts";
import { toJsonLine } from "./json.ts";
import { choice } from "./kinds.ts";

/** The flags of every subcommand that logs. */
export const logFlags = {
  logLevel: flag(choice(logLevels), "the least that is logged", "info"),
  log: flag(choice(["text", "json"]), "how log lines are written", "text"),
};

export interface LogOptions {
  logLevel: LogLevel;
  log: "text" | "json";
}

/** Log lines on stderr. All text in them is escaped: much of it comes from peers. */
export interface Log {
  write(line: LogLine): void;
  /** For the library's `onEvent`. */
  readonly onEvent: OnEvent;
}

/**
 * Opens the log of a process. A terminal gets consola's style; a pipe gets
 * `2025-01-31T12:00:00.000Z warn  message`, or with `log: "json"` an object a
 * line: `{"time","level","message", …fields}`.
 */
export function openLog(
  io: Io,
  { logLevel, log: format }: LogOptions,
  now: () => Date = () => new Date(),
): Log {
  const fancy = format === "text" && hasColours(io.stderr, io.env);
  const options = {
    level: LogLevels[logLevel],
    fancy,
    // Repeated lines are news here: one peer each.
    throttle: 0,
    // consola's own choice is stdout for all that is no warning.
    stdout: io.stderr as unknown as NodeJS.WriteStream,
    stderr: io.stderr as unknown as NodeJS.WriteStream,
    formatOptions: { date: false },
  };
  const consola = fancy
    ? terminalConsola().createConsola(options)
    : createConsola({
        ...options,
        reporters: [lineReporter(io.stderr, format, now)],
      });
  const withStack = logLevel === "debug";
  const write = (line: LogLine) => {
    const stack = withStack ? line.stack : undefined;
    const { level, message, fields } = line;
    consola[level]({
      message: textOf(message, stack),
      line: { level, message, ...fields, stack },
    });
  };
  return { write, onEvent: (event) => write(eventLine(event)) };
}

/** With the style for terminals, which takes ten times as long to load. */
const terminalConsola = () => require("consola") as typeof import("consola");

function lineReporter(
  sink: Sink,
  format: "text" | "json",
  now: () => Date,
): ConsolaReporter {
  return {
    log(entry) {
      const time = now().toISOString();
      const line = entry["line"] as LogLine;
      sink.write(
        format === "json"
          ? `${toJsonLine({ time, ...line })}\n`
          : `${time} ${line.level.padEnd(5)} ${entry.args[0] ?? entry.message}\n`,
      );
    },
  };
}

/** The message in one line, and a stack below it, each of its lines escaped. */
function textOf(message: string, stack: string | undefined): string {
  const lines = stack === undefined ? [] : stack.split("\n");
  return [message, ...lines].map(escapeText).join("\n");
}
