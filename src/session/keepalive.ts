import { Alarm, type AlarmOwner } from "../base/alarm.ts";
import type { Clock } from "../base/clock.ts";
import { checkNumber } from "../wire/limits.ts";

/** How often all connections are looked at, in ms: life, a ping and a death may each be so much late. */
const roundMs = 250;

/** What a round counts for at most, in ms: beyond it this process stood still, and nobody else was late. */
const longestRoundMs = 1_000;

/**
 * One alarm for all connections on a clock: each is told, once a round, how
 * many ms have passed.
 */
class Rounds implements AlarmOwner {
  static readonly #ofClocks = new WeakMap<Clock, Rounds>();
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #members = new Set<KeepAlive>();
  #lastAt = 0;

  private constructor(clock: Clock) {
    this.#clock = clock;
    this.#alarm = new Alarm(clock, this);
  }

  static of(clock: Clock): Rounds {
    let rounds = Rounds.#ofClocks.get(clock);
    if (rounds === undefined) {
      rounds = new Rounds(clock);
      Rounds.#ofClocks.set(clock, rounds);
    }
    return rounds;
  }

  add(member: KeepAlive): void {
    this.#alarm.by(this.#clock.now() + roundMs);
    this.#members.add(member);
  }

  remove(member: KeepAlive): void {
    this.#members.delete(member);
    if (this.#members.size === 0) this.#alarm.stop();
  }

  /** AlarmOwner: a round. */
  ring(now: number): number {
    const passedMs = Math.min(now - this.#lastAt, longestRoundMs);
    this.#lastAt = now;
    // Set before the looks: one that throws must not be the end of all rounds.
    this.#alarm.by(now + roundMs);
    for (const member of this.#members) member.look(passedMs);
    return Infinity;
  }
}

/** Each in ms; 0 and Infinity are never. */
export interface KeepAliveOptions {
  /** Silence before a ping while calls are in flight. */
  busyMs: number;
  /** Silence before a ping while there are none. */
  idleMs: number;
  /** Silence behind a ping that means that the peer is dead. */
  timeoutMs: number;
}

export const defaultKeepAlive: Readonly<KeepAliveOptions> = {
  busyMs: 10_000,
  idleMs: 30_000,
  timeoutMs: 5_000,
};

/**
 * The intervals that are given, and the defaults for the rest.
 *
 * @throws RpcError invalid_argument  one that is no number from 0
 */
export function resolveKeepAlive(
  given: Partial<KeepAliveOptions> = {},
): KeepAliveOptions {
  const options = { ...defaultKeepAlive };
  for (const name of ["busyMs", "idleMs", "timeoutMs"] as const) {
    options[name] = checkNumber(
      `keepAlive.${name}`,
      given[name] ?? options[name],
    );
  }
  return options;
}

/** Who pings; its methods must not throw. */
export interface KeepAliveOwner {
  /** Whether calls are in flight, streams among them. */
  isBusy(): boolean;
  /** Sends a ping. */
  sendPing(): void;
  /** The peer has vanished: told once, and nothing behind it. */
  vanished(): void;
}

/**
 * Finds out that a peer has vanished without a word: a cable that was pulled,
 * a machine that lost its power, a firewall that forgot the connection.
 *
 * | state  | what happens                                        | told       | next           |
 * | ------ | --------------------------------------------------- | ---------- | -------------- |
 * | off    | start()                                             |            | silent         |
 * | silent | heard()                                             |            | silent, from 0 |
 * | silent | silent for busyMs with calls in flight, else idleMs | sendPing() | pinged, from 0 |
 * | pinged | heard()                                             |            | silent, from 0 |
 * | pinged | silent for timeoutMs                                | vanished() | off            |
 * | any    | pause(): its time stands until resume()             |            | the same       |
 * | any    | stop()                                              |            | off            |
 *
 * Life is heard(), whatever was said: it sets a boolean, which costs less than
 * 1 ns where clock.now() costs 33. The instant is that of the next round, a
 * walk over all connections each 250 ms, so that a peer that vanished is
 * found, at the latest, 0.75 s behind its interval and timeout. The state is
 * looked up in the round: a connection that was silent for longer than busyMs
 * and on which a call then starts is pinged in the next round, and no call
 * tells anything to this class.
 *
 * Rounds are made by one timer for all connections on a clock, so a process
 * wakes 4 times a second with one connection or with 10,000, and walks 10,000
 * in some 0.1 ms. Nothing is started or stopped while calls come and go.
 *
 * Time in which this end could not hear does not count: nothing of a round in
 * which reading was paused, and no more than 1 s of one that came late, since
 * this process stood still then (a handler that computes, a laptop that slept)
 * and what came meanwhile is unread. Between two rounds what came is read.
 */
export class KeepAlive {
  readonly #rounds: Rounds;
  readonly #owner: KeepAliveOwner;
  readonly #busyMs: number;
  readonly #idleMs: number;
  readonly #timeoutMs: number;
  #isHeard = false;
  #isPinged = false;
  #silentMs = 0;
  #isPaused = false;
  /** Paused now, or at any time since the last round. */
  #wasPaused = false;

  constructor(clock: Clock, options: KeepAliveOptions, owner: KeepAliveOwner) {
    this.#rounds = Rounds.of(clock);
    this.#owner = owner;
    this.#busyMs = options.busyMs || Infinity;
    this.#idleMs = options.idleMs || Infinity;
    this.#timeoutMs = options.timeoutMs || Infinity;
  }

  /** Begins, with a peer that is alive. Where both intervals are off nothing begins. */
  start(): void {
    this.#isHeard = true;
    if (Math.min(this.#busyMs, this.#idleMs) < Infinity) {
      this.#rounds.add(this);
    }
  }

  /** Ends: nothing more is told. */
  stop(): void {
    this.#rounds.remove(this);
  }

  /**
   * The peer is alive: bytes of it were read, or its kernel has made room for
   * more of ours, after it had not.
   *
   * That this end's kernel took bytes without that is no life: it takes a
   * buffer full of them for a peer that is gone, and the ping itself.
   */
  heard(): void {
    this.#isHeard = true;
  }

  /** This end stops reading: the peer's time stands. */
  pause(): void {
    this.#isPaused = true;
    this.#wasPaused = true;
  }

  /** This end reads again. */
  resume(): void {
    this.#isPaused = false;
  }

  /** A round, `passedMs` after the one before. */
  look(passedMs: number): void {
    if (this.#wasPaused) {
      this.#wasPaused = this.#isPaused;
      return;
    }
    if (this.#isHeard) {
      this.#isHeard = false;
      this.#isPinged = false;
      this.#silentMs = 0;
      return;
    }
    this.#silentMs += passedMs;
    if (this.#isPinged) this.#judge();
    else this.#pingIfDue();
  }

  #judge(): void {
    if (this.#silentMs < this.#timeoutMs) return;
    this.stop();
    this.#owner.vanished();
  }

  #pingIfDue(): void {
    const dueMs = this.#owner.isBusy() ? this.#busyMs : this.#idleMs;
    if (this.#silentMs < dueMs) return;
    this.#isPinged = true;
    this.#silentMs = 0;
    this.#owner.sendPing();
  }
}
