import type { Timer } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { EtcdEndpoints } from "./etcd-endpoints.ts";
import { EtcdGateway } from "./etcd-gateway.ts";

export interface EtcdSessionListener {
  /** etcd has just answered. Not called twice for the same lease without a failure between. */
  onUp(): void;
  onDown(error: RpcError): void;
}

const leaseSeconds = 10;
/** What we leave etcd's clock to differ by from ours. */
const marginMs = 1_000;
const intervalMs = 2_500;
/** From a failure to the next attempt. */
const retryMs = 500;
const timeoutMs = 1_800;

/**
 * One key of etcd that is there as long as this process is: it hangs on a
 * lease of 10 s, renewed each 2.5 s. Where the lease has ended, since we or
 * etcd stood still, a new one is made.
 */
export class EtcdSession {
  readonly #endpoints: EtcdEndpoints;
  readonly #gateway: EtcdGateway;
  readonly #key: string;
  readonly #listener: EtcdSessionListener;
  readonly #started = Promise.withResolvers<void>();
  #leaseId: string | undefined;
  #isValidUntil = -Infinity;
  #isUp = false;
  #isClosed = false;
  #attempt: Promise<void>;
  #timer: Timer | undefined;

  constructor(
    endpoints: EtcdEndpoints,
    key: string,
    listener: EtcdSessionListener,
  ) {
    this.#endpoints = endpoints;
    this.#gateway = new EtcdGateway(endpoints);
    this.#key = key;
    this.#listener = listener;
    this.#attempt = this.#beat();
  }

  /** Resolves once the key was there for the first time. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** Whether the key is certainly there: no other registry takes this one for gone. */
  get isValid(): boolean {
    return this.#endpoints.clock.now() < this.#isValidUntil;
  }

  /** Something else has failed: the next success is told as one. */
  suspect(): void {
    this.#isUp = false;
  }

  /** Takes the key out, if that can be done within a second. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    const until = this.#endpoints.clock.now() + 1_000;
    try {
      await this.#endpoints.within(this.#attempt, until);
      if (this.#leaseId === undefined) return;
      await this.#gateway.revoke(this.#leaseId, until);
    } catch {
      // It runs out.
    }
  }

  /** Never rejects. */
  async #beat(): Promise<void> {
    const { clock } = this.#endpoints;
    let nextInMs = intervalMs;
    try {
      const sentAt = clock.now();
      await this.#renew(sentAt + timeoutMs);
      this.#isValidUntil = sentAt + leaseSeconds * 1_000 - marginMs;
      this.#started.resolve();
      if (!this.#isUp && !this.#isClosed) this.#listener.onUp();
      this.#isUp = true;
    } catch (thrown) {
      nextInMs = retryMs;
      this.#isUp = false;
      if (!this.#isClosed) this.#listener.onDown(RpcError.from(thrown));
    }
    if (this.#isClosed) return;
    this.#timer = clock
      .after(nextInMs, () => {
        this.#attempt = this.#beat();
      })
      .unref();
  }

  async #renew(until: number): Promise<void> {
    const gateway = this.#gateway;
    if (this.#leaseId !== undefined) {
      if (await gateway.keepAlive(this.#leaseId, until)) return;
      this.#leaseId = undefined;
      this.#isValidUntil = -Infinity;
      this.#isUp = false;
    }
    const leaseId = await gateway.grant(leaseSeconds, until);
    await gateway.put(this.#key, "", leaseId, until);
    this.#leaseId = leaseId;
  }
}
