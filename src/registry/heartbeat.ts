import { Backoff, reconnectBackoff } from "../base/backoff.ts";
import { type Clock, systemClock, type Timer } from "../base/clock.ts";
import { jitter, type Random } from "../base/random.ts";
import { RpcError } from "../errors.ts";
import { type OnEvent, quiet } from "../events.ts";
import { readDescription } from "./description.ts";
import { serverHeader, ttlHeader } from "./headers.ts";
import { LoadMeter, type LoadMeterOptions } from "./load-meter.ts";
import { readAddress } from "./registration.ts";
import { type Fetch, requestRegistry } from "./request.ts";
import { checkSecret } from "./tokens.ts";
import { parseRegistryUrls } from "./url.ts";

export interface HeartbeatOptions {
  /** From one registration to the next, ± 10 %. Default 5 s. */
  intervalMs?: number;
  /** How long a registration holds without the next one; above 1.1 intervals, 0 is for ever. Default 15 s. */
  ttlMs?: number;
  /** Of one request. Default 2 s: with the retry after it, a server is back within an interval and 2 s. */
  timeoutMs?: number;
  /**
   * Whether each beat tells how busy this process is, as a LoadMeter with
   * these options measures it, unless the registration tells its own: servers
   * that are picked by weight get the less for it. Default false.
   */
  reportsLoad?: boolean | LoadMeterOptions;
  /** Where the registry asks for a token to register. Sent as it is: plain http:// shows it to the network. */
  token?: string;
  clock?: Clock;
  random?: Random;
  /** Told of `registered` (when it was not, or was elsewhere), `heartbeat-missed` and `deregistered`. Must not throw. */
  onEvent?: OnEvent;
  fetch?: Fetch;
}

/** What a server says of itself. */
export interface Registrant {
  /** `protocol@addr` with the port in use; a wildcard host is replaced by the registry. */
  readonly address: string;
  /** Names of services; without them it counts as having all. */
  readonly services?: readonly string[];
  /** Of the program, at most 64 characters. */
  readonly version?: string;
  /** What it can take beside the others: twice the weight, twice the calls. Above 0, at most 1,000; without one 1. */
  readonly weight?: number;
  /** The part of the network that it is in, such as a data centre; at most 64 characters. */
  readonly zone?: string;
  /** How busy it is, from 0, idle, to 1: a getter may measure it. */
  readonly load?: number;
  /** At most 32, of at most 256 characters each. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** One server's registration, kept alive. */
export interface Heartbeat {
  /** Resolves when every registry was asked once, or one of them said yes; never rejects. */
  readonly firstAttempt: Promise<void>;
  /** Whether the last attempt succeeded. */
  readonly isRegistered: boolean;
  /**
   * Stops, and takes the server out of every registry that may list it, also
   * by a request that is on its way. Takes 2 s at most and never rejects: a
   * registry that cannot be reached drops the server when its TTL is over.
   * Twice is once.
   */
  close(): Promise<void>;
}

/** Of a registry's answer, which is empty. */
const maxAnswerBytes = 64 * 1024;
/** How long close waits for the request on its way, and then for those that deregister. */
const closeTimeoutMs = 1_000;

/**
 * Registers a server at once, and again and again until it is closed.
 *
 * Registries are asked in the order given, each time from the first: the next
 * one only when those before it failed, so that servers and clients that were
 * told the same list meet again at the same place. Any status other than 2xx
 * is a failure. When all have failed it tries again after 250 ms × 1.6 and so
 * on, at most an interval. `registration` is read at each beat,
 * but for the address. The
 * timers do not keep the process alive.
 *
 * @throws RpcError invalid_argument  a bad URL, address, token or description, a lease too short to reach the next beat
 */
export function heartbeat(
  registries: string | readonly string[],
  registration: Registrant,
  options: HeartbeatOptions = {},
): Heartbeat {
  return new RegistryHeartbeat(registries, registration, options);
}

class RegistryHeartbeat implements Heartbeat {
  readonly firstAttempt: Promise<void>;
  readonly #urls: readonly string[];
  readonly #registration: Registrant;
  readonly #address: string;
  readonly #options: Required<Omit<HeartbeatOptions, "token" | "reportsLoad">>;
  readonly #token: string | undefined;
  readonly #backoff: Backoff;
  readonly #meter: LoadMeter | undefined;
  /** Registries that were asked to list the server, whatever came of it. */
  readonly #asked = new Set<string>();
  readonly #giveUp = new AbortController();
  #registeredAt: string | undefined;
  #attempt: Promise<void>;
  #timer: Timer | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    registries: string | readonly string[],
    registration: Registrant,
    options: HeartbeatOptions,
  ) {
    this.#urls = parseRegistryUrls(registries);
    this.#registration = registration;
    // The stand-in host: here a wildcard is as good as any.
    readAddress(registration.address, "127.0.0.1");
    readDescription(bodyOf(registration));
    this.#address = registration.address;
    if (options.token !== undefined) this.#token = checkSecret(options.token);
    this.#options = {
      intervalMs: options.intervalMs ?? 5_000,
      ttlMs: options.ttlMs ?? 15_000,
      timeoutMs: options.timeoutMs ?? 2_000,
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
      onEvent: options.onEvent ? quiet(options.onEvent) : () => {},
      fetch: options.fetch ?? globalThis.fetch,
    };
    const { intervalMs, ttlMs, random } = this.#options;
    if (!(intervalMs > 0) || (ttlMs !== 0 && !(ttlMs > intervalMs * 1.1))) {
      throw new RpcError(
        "invalid_argument",
        `a lease of ${ttlMs} ms ends before the next heartbeat, which comes every ${intervalMs} ms ± 10 %`,
      );
    }
    const { jitterFraction } = reconnectBackoff;
    const maxMs = intervalMs / (1 + jitterFraction);
    this.#backoff = new Backoff({ ...reconnectBackoff, maxMs }, random);
    const { reportsLoad = false } = options;
    if (reportsLoad !== false) {
      const { clock } = this.#options;
      this.#meter = new LoadMeter({
        clock,
        ...(reportsLoad !== true && reportsLoad),
      });
    }
    this.#attempt = this.#beat();
    this.firstAttempt = this.#attempt;
  }

  get isRegistered(): boolean {
    return this.#registeredAt !== undefined;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Never rejects. */
  async #beat(): Promise<void> {
    const nextInMs = await this.#register();
    if (this.#closed !== undefined) return;
    this.#timer = this.#options.clock
      .after(nextInMs, () => {
        this.#attempt = this.#beat();
      })
      .unref();
  }

  /** Asks each registry until one says yes; gives the time until the next beat, in ms. */
  async #register(): Promise<number> {
    const { intervalMs, random, onEvent } = this.#options;
    const last = this.#urls.at(-1);
    let nextInMs = 0;
    for (const registry of this.#urls) {
      if (this.#closed !== undefined) return 0;
      try {
        this.#asked.add(registry);
        await this.#request(registry, "POST");
      } catch (thrown) {
        if (this.#closed !== undefined) return 0;
        if (registry === last) {
          this.#registeredAt = undefined;
          nextInMs = this.#backoff.nextMs();
        }
        const error = RpcError.from(thrown);
        const retryInMs = nextInMs;
        onEvent({ kind: "heartbeat-missed", registry, error, retryInMs });
        continue;
      }
      this.#backoff.reset();
      this.#reportRegistered(registry);
      return jitter(intervalMs, 0.1, random);
    }
    return nextInMs;
  }

  #reportRegistered(registry: string): void {
    if (this.#registeredAt === registry) return;
    this.#registeredAt = registry;
    const address = this.#address;
    this.#options.onEvent({ kind: "registered", registry, address });
  }

  async #close(): Promise<void> {
    this.#timer?.cancel();
    this.#meter?.close();
    // A request that is cut may still be carried out, after the one that
    // deregisters: so it is waited for first.
    const { clock } = this.#options;
    const timer = clock.after(closeTimeoutMs, () => this.#giveUp.abort());
    await this.#attempt;
    timer.cancel();
    await Promise.all(
      [...this.#asked].map((registry) => this.#deregister(registry)),
    );
    this.#registeredAt = undefined;
  }

  async #deregister(registry: string): Promise<void> {
    try {
      await this.#request(registry, "DELETE");
    } catch {
      // Away, or it does not list the server: either way there is no more to do.
      return;
    }
    const address = this.#address;
    this.#options.onEvent({ kind: "deregistered", registry, address });
  }

  async #request(registry: string, method: "POST" | "DELETE"): Promise<void> {
    const { fetch, clock, timeoutMs, ttlMs } = this.#options;
    const headers: Record<string, string> = { [serverHeader]: this.#address };
    const init: RequestInit = { method, headers };
    const isPost = method === "POST";
    if (isPost) headers[ttlHeader] = String(ttlMs / 1000);
    const body = isPost ? bodyOf(this.#registration, this.#meter) : "{}";
    if (body !== "{}") {
      headers["Content-Type"] = "application/json";
      init.body = body;
    }
    await requestRegistry(registry, init, {
      token: this.#token,
      fetch,
      clock,
      timeoutMs: isPost ? timeoutMs : Math.min(timeoutMs, closeTimeoutMs),
      maxAnswerBytes,
      signal: isPost ? this.#giveUp.signal : undefined,
    });
  }
}

/** What the server says besides its address, as JSON. */
function bodyOf(registrant: Registrant, meter?: LoadMeter): string {
  const { services, version, weight, zone, labels } = registrant;
  const load = registrant.load ?? meter?.load;
  return JSON.stringify({ services, version, weight, zone, load, labels });
}
