import type { Endpoint } from "../discovery/discovery.ts";
import { FailureRecord, type OutlierReason } from "./failure-record.ts";
import type { CallOutcome } from "./picker.ts";

/** The first ejection takes this long, the nth n times as long. */
const ejectionMs = 5_000;
const maxEjectionMs = 300_000;
/** For each such time that a server goes on without an ejection, n falls by one. */
const forgiveMs = 10_000;
/** A probe that is not over by then lets another one go: it may be a stream. */
const probeMs = 5_000;

/** What befell a server, for the caller to tell. */
export type EjectionEvent =
  | {
      kind: "server-ejected";
      address: string;
      forMs: number;
      reason: OutlierReason | "probe-failed";
    }
  | { kind: "server-returned"; address: string };

/** How one server stands. */
interface Standing {
  readonly address: string;
  state: "in" | "ejected" | "probed";
  /** When the state began: calls that are older say nothing any more. */
  since: number;
  /** When a probe may go, while it is out. */
  probeAt: number;
  /** The n of its last ejection. */
  times: number;
  /** It is in only because half of the servers are out. */
  isSpared: boolean;
  readonly record: FailureRecord;
}

/**
 * Servers that are left out for a while because their calls fail.
 *
 * | state   | its calls                 | leaves for                                              |
 * | ------- | ------------------------- | ------------------------------------------------------- |
 * | in      | all                       | ejected: it is an outlier, and not half of them are out |
 * | ejected | none; after its time, one | probed: that one, its probe, begins                     |
 * | probed  | none                      | in: answered; ejected: failed, or local, for no time    |
 *
 * What makes an outlier: {@link FailureRecord}. The nth ejection of a server
 * takes 5 s × n, at most 300 s; n falls by one for each 10 s that it is in. A
 * probe that is not over in 5 s lets another go.
 *
 * Never are more than half of the servers out. Where half of those asked for
 * are, and more than one, all of them are tried: it is then less likely that
 * so many are bad than that they share what is, and the rest might not bear
 * the load. All are tried, too, where each that is in is an outlier that was
 * spared because half are out. An answer then takes a server in at once.
 *
 * A call counts for the state in which it began: those in flight at an
 * ejection neither prolong nor end it. `now` is an instant in ms, from 0 and
 * never going back. O(1) a call while all are in.
 * Sources: Envoy, "Outlier detection" and "Panic threshold"; gRPC proposal
 * A50.
 */
export class Ejections {
  readonly #onEvent: (event: EjectionEvent) => void;
  #listed: ReadonlySet<string> = new Set();
  readonly #servers = new Map<string, Standing>();
  #outCount = 0;
  /** What is admitted of each list, until `#changesAt`. */
  #admitted = new WeakMap<readonly Endpoint[], readonly Endpoint[]>();
  #changesAt = -Infinity;

  /** @param onEvent must not throw */
  constructor(onEvent: (event: EjectionEvent) => void = () => {}) {
    this.#onEvent = onEvent;
  }

  /**
   * Those of `endpoints`, the servers that have a service and are not down,
   * that may be called: `endpoints` itself where none is left out. The same
   * array for the same one until something changes.
   */
  admitted(endpoints: readonly Endpoint[], now: number): readonly Endpoint[] {
    if (this.#outCount === 0) return endpoints;
    if (now >= this.#changesAt) this.#renew(now);
    let admitted = this.#admitted.get(endpoints);
    if (admitted === undefined) {
      admitted = this.#admit(endpoints, now);
      this.#admitted.set(endpoints, admitted);
    }
    return admitted;
  }

  /** A call goes to `endpoint`: it may be its probe. */
  started({ address }: Endpoint, now: number): void {
    if (this.#outCount === 0) return;
    const standing = this.#servers.get(address);
    if (standing === undefined || standing.state === "in") return;
    if (standing.probeAt > now) return;
    // The first probe may still be answered, and then counts.
    const since = standing.state === "probed" ? standing.since : now;
    this.#enter(standing, "probed", since, now + probeMs);
  }

  /** A call that went to `endpoint` at `startedAt` is over. */
  ended(
    { address }: Endpoint,
    outcome: CallOutcome,
    startedAt: number,
    now: number,
  ): void {
    const standing = this.#standingOf(address);
    if (standing === undefined || startedAt < standing.since) return;
    const { state } = standing;
    if (state === "in") this.#count(standing, outcome, now);
    else if (outcome === "answered") {
      // What began at the instant of the ejection began before it.
      const isOld = state === "ejected" && startedAt === standing.since;
      if (!isOld) this.#takeIn(standing, now);
    } else if (state === "probed") {
      if (outcome === "failed") this.#eject(standing, "probe-failed", now);
      else this.#enter(standing, "ejected", now, now);
    }
  }

  /**
   * Told the addresses of each new list of servers: what is known of others is
   * forgotten, and where more than half are out now, those that have been for
   * longest come back. Before the first list nobody is ejected.
   */
  retain(addresses: ReadonlySet<string>, now: number): void {
    this.#listed = addresses;
    this.#changesAt = -Infinity;
    for (const { address, state } of this.#servers.values()) {
      if (addresses.has(address)) continue;
      this.#servers.delete(address);
      if (state !== "in") this.#outCount--;
    }
    const out = [...this.#servers.values()]
      .filter(({ state }) => state !== "in")
      .sort((left, right) => left.since - right.since);
    for (const standing of out) {
      if (this.#outCount <= this.#maxOut()) break;
      this.#takeIn(standing, now);
    }
  }

  #standingOf(address: string): Standing | undefined {
    let standing = this.#servers.get(address);
    if (standing === undefined && this.#listed.has(address)) {
      standing = {
        address,
        state: "in",
        since: -Infinity,
        probeAt: 0,
        times: 0,
        isSpared: false,
        record: new FailureRecord(),
      };
      this.#servers.set(address, standing);
    }
    return standing;
  }

  #maxOut(): number {
    return Math.floor(this.#listed.size / 2);
  }

  /** A call of a server that is in is over. */
  #count(standing: Standing, outcome: CallOutcome, now: number): void {
    const { record, since } = standing;
    if (outcome === "answered") {
      record.answered(now);
      this.#spare(standing, false);
    } else if (outcome === "failed") {
      const reason = record.failed(now);
      if (reason === undefined) return;
      if (this.#outCount >= this.#maxOut()) {
        this.#spare(standing, true);
        return;
      }
      this.#outCount++;
      const forgiven = Math.floor((now - since) / forgiveMs);
      standing.times = Math.max(0, standing.times - forgiven);
      this.#eject(standing, reason, now);
    }
  }

  /** Puts out a server that is counted as being out. */
  #eject(
    standing: Standing,
    reason: OutlierReason | "probe-failed",
    now: number,
  ): void {
    const { address } = standing;
    standing.times = Math.min(standing.times + 1, maxEjectionMs / ejectionMs);
    const forMs = standing.times * ejectionMs;
    standing.isSpared = false;
    this.#enter(standing, "ejected", now, now + forMs);
    this.#onEvent({ kind: "server-ejected", address, forMs, reason });
  }

  #takeIn(standing: Standing, now: number): void {
    const { address, record } = standing;
    this.#outCount--;
    record.clear();
    this.#enter(standing, "in", now, 0);
    this.#onEvent({ kind: "server-returned", address });
  }

  #enter(
    standing: Standing,
    state: Standing["state"],
    since: number,
    probeAt: number,
  ): void {
    standing.state = state;
    standing.since = since;
    standing.probeAt = probeAt;
    this.#changesAt = -Infinity;
  }

  #spare(standing: Standing, isSpared: boolean): void {
    if (standing.isSpared === isSpared) return;
    standing.isSpared = isSpared;
    this.#changesAt = -Infinity;
  }

  /** Forgets what was admitted, and finds until when it would hold. */
  #renew(now: number): void {
    this.#admitted = new WeakMap();
    this.#changesAt = Infinity;
    for (const { state, probeAt } of this.#servers.values()) {
      if (state !== "in" && probeAt > now) {
        this.#changesAt = Math.min(this.#changesAt, probeAt);
      }
    }
  }

  #admit(endpoints: readonly Endpoint[], now: number): readonly Endpoint[] {
    const admitted: Endpoint[] = [];
    let outCount = 0;
    let wellCount = 0;
    for (const endpoint of endpoints) {
      const standing = this.#servers.get(endpoint.address);
      const isIn = standing === undefined || standing.state === "in";
      if (!isIn) outCount++;
      else if (!standing?.isSpared) wellCount++;
      if (isIn || standing.probeAt <= now) admitted.push(endpoint);
    }
    const isHalfOut = outCount > 1 && outCount * 2 >= endpoints.length;
    const areAll = admitted.length === endpoints.length;
    return isHalfOut || wellCount === 0 || areAll ? endpoints : admitted;
  }
}
