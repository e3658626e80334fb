import { type Clock, systemClock, type Timer } from "../base/clock.ts";
import { RpcError } from "../errors.ts";

/** Where a LoadMeter reads. */
export interface LoadProbes {
  /** CPU time that the process has used so far, in µs. */
  cpuUs(): number;
  /** Memory that the process holds, in bytes. */
  memoryBytes(): number;
}

export interface LoadMeterOptions {
  /**
   * Cores whose whole time is a load of 1. Default 1, since handlers share one
   * event loop, or less where the machine grants less; more is for a server
   * whose work is done by workers.
   */
  cores?: number;
  /** Default: what the process may have, of its cgroup or of the machine. */
  memoryLimitBytes?: number;
  clock?: Clock;
  probes?: LoadProbes;
}

/** From one look at the event loop to the next. */
const tickMs = 100;
/** From one sample to the next. */
const sampleMs = 1_000;
/** So long after it a sample weighs half: one heartbeat. */
const halfLifeMs = 5_000;
/** Timers that are late by so much on average mean a load of 1. */
const fullDelayMs = 100;
/** Memory below this part of its limit is no load: it is there to be used. */
const freeMemoryFraction = 0.8;

const processProbes: LoadProbes = {
  cpuUs() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  memoryBytes: () => process.memoryUsage.rss(),
};

/**
 * How busy this process is, from 0, idle, to 1: the largest of
 *
 * | what          | 0                 | 1                               |
 * | ------------- | ----------------- | ------------------------------- |
 * | CPU time      | none              | all of `cores`                  |
 * | memory        | 80 % of the limit | the limit                       |
 * | event loop    | timers on time    | timers 100 ms late on average   |
 *
 * sampled each second and smoothed: a sample weighs half after 5 s. Its timer
 * runs 10 times a second, until `close`, and does not keep the process alive;
 * that takes 0.2 % of a core.
 */
export class LoadMeter {
  readonly #clock: Clock;
  readonly #probes: LoadProbes;
  readonly #cores: number;
  readonly #memoryLimitBytes: number;
  #load: number | undefined;
  #timer: Timer | undefined;
  #dueAt = 0;
  #sampledAt: number;
  #cpuUs: number;
  /** Of the ticks since the last sample. */
  #lateMs = 0;
  #ticks = 0;

  /** @throws RpcError invalid_argument  cores or a limit that is no number above 0 */
  constructor(options: LoadMeterOptions = {}) {
    const {
      clock = systemClock,
      probes = processProbes,
      cores = Math.min(1, grantedCores()),
      memoryLimitBytes = process.constrainedMemory() || Infinity,
    } = options;
    this.#clock = clock;
    this.#probes = probes;
    this.#cores = aboveZero("cores", cores);
    this.#memoryLimitBytes = aboveZero("memoryLimitBytes", memoryLimitBytes);
    this.#sampledAt = this.#clock.now();
    this.#cpuUs = this.#probes.cpuUs();
    this.#wait();
  }

  /** Undefined until a second has passed. */
  get load(): number | undefined {
    return this.#load;
  }

  /** It stays at the last load. */
  close(): void {
    this.#timer?.cancel();
  }

  #wait(): void {
    this.#dueAt = this.#clock.now() + tickMs;
    this.#timer = this.#clock.after(tickMs, () => this.#tick()).unref();
  }

  #tick(): void {
    const now = this.#clock.now();
    this.#lateMs += now - this.#dueAt;
    this.#ticks++;
    const elapsedMs = now - this.#sampledAt;
    if (elapsedMs >= sampleMs) {
      this.#add(this.#sample(elapsedMs), elapsedMs);
      this.#sampledAt = now;
      this.#lateMs = 0;
      this.#ticks = 0;
    }
    this.#wait();
  }

  #sample(elapsedMs: number): number {
    const cpuUs = this.#probes.cpuUs();
    const cpuMs = (cpuUs - this.#cpuUs) / 1_000;
    this.#cpuUs = cpuUs;
    const memory = this.#probes.memoryBytes() / this.#memoryLimitBytes;
    const parts = [
      cpuMs / (elapsedMs * this.#cores),
      (memory - freeMemoryFraction) / (1 - freeMemoryFraction),
      this.#lateMs / this.#ticks / fullDelayMs,
    ];
    return Math.min(1, Math.max(0, ...parts));
  }

  #add(sample: number, elapsedMs: number): void {
    const before = this.#load ?? sample;
    const kept = 0.5 ** (elapsedMs / halfLifeMs);
    this.#load = sample + (before - sample) * kept;
  }
}

function aboveZero(name: keyof LoadMeterOptions, value: number): number {
  if (value > 0) return value;
  throw new RpcError(
    "invalid_argument",
    `${name} is ${value}: write a number above 0`,
  );
}

/** Cores that the process's cgroup (version 2) lets it use; Infinity where there is no limit. */
function grantedCores(): number {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  try {
    return coresIn(readFileSync("/sys/fs/cgroup/cpu.max", "utf8"));
  } catch {
    return Infinity;
  }
}

/** Reads `cpu.max`: `50000 100000` is half a core, `max 100000` no limit. Source: the kernel's cgroup-v2. */
export function coresIn(text: string): number {
  const [, quota, period] = /^(\d+) (\d+)$/.exec(text.trim()) ?? [];
  const cores = Number(quota) / Number(period);
  return cores > 0 ? cores : Infinity;
}
