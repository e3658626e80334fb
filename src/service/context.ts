/** Who called, as a handler sees it. */
export interface Peer {
  /** `tcp@10.0.0.7:51234`; `http@host`, or `http` where the host is not known, for a call by POST. */
  readonly address: string;
}

/** The second argument of every handler. */
export interface Context {
  /** Aborts when nobody waits for the result any more: cancelled, out of time, connection lost. */
  readonly signal: AbortSignal;
  /** When the call's time is over, in ms on the clock of performance.now(); undefined where it has no limit. */
  readonly deadlineAt: number | undefined;
  readonly metadata: ReadonlyMap<string, string | Uint8Array>;
  readonly peer: Peer;
}
