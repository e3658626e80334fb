import { RpcError } from "../errors.ts";
import type { Invocation } from "./invocation.ts";

/**
 * By when a handler has to answer that starts now, in ms on the clock:
 * Infinity for no limit. Each limit is in ms; 0 is none.
 *
 * @throws RpcError deadline_exceeded  its time was over before its turn came
 */
export function callDeadline(
  { startedAt, arrivedAt = startedAt, timeoutMs }: Invocation,
  methodTimeoutMs: number,
  handleTimeoutMs: number,
): number {
  const handlingMs = Math.min(
    methodTimeoutMs || Infinity,
    handleTimeoutMs || Infinity,
  );
  const deadlineAt = Math.min(
    arrivedAt + (timeoutMs || Infinity),
    startedAt + handlingMs,
  );
  if (deadlineAt > startedAt) return deadlineAt;
  throw new RpcError(
    "deadline_exceeded",
    "the call's time was over before its turn came",
    { sent: false },
  );
}

/**
 * By when a reply that is a stream has to have ended. A method's own limit is
 * for the whole of it, and so is a caller's that was asked for; all others are
 * for its beginning.
 */
export function streamDeadline({
  startedAt,
  arrivedAt = startedAt,
  timeoutMs,
  method,
  isUntilReply,
}: Invocation): number {
  const callerMs = isUntilReply ? 0 : timeoutMs;
  return Math.min(
    arrivedAt + (callerMs || Infinity),
    startedAt + (method?.timeoutMs || Infinity),
  );
}
