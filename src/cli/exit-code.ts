import { RpcError } from "../errors.ts";

/** What the process ends with; scripts read these. */
export const exitCode = {
  done: 0,
  /** The call or the start failed. */
  failed: 1,
  /** The command was written wrongly. */
  usage: 2,
  /** No connection was made. */
  noConnection: 3,
  deadlineExceeded: 4,
} as const;

const signalNumbers = { SIGINT: 2, SIGTERM: 15 } as const;

export type StopSignal = keyof typeof signalNumbers;

/** As a shell reports a process that a signal ended. */
export function signalExitCode(signal: StopSignal): number {
  return 128 + signalNumbers[signal];
}

/** The exit code of a call that failed with `thrown`. */
export function callExitCode(thrown: unknown): number {
  const { code, sent } = RpcError.from(thrown);
  if (code === "deadline_exceeded") return exitCode.deadlineExceeded;
  // `sent: false` is how a dial and an unreachable registry fail.
  if (code === "unavailable" && sent === false) return exitCode.noConnection;
  return exitCode.failed;
}
