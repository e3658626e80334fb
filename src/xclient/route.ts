import type { Picker } from "../balance/picker.ts";
import type { Client } from "../client/client.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import { splitServiceMethod } from "../service/service-method.ts";
import { type Candidates, withoutDown } from "./candidates.ts";
import type { ClientPool } from "./client-pool.ts";
import type { CallTime } from "./deadline.ts";

/** Of how many equal parts of a call's time one dial gets one, while other servers are left. */
const maxShares = 3;

/**
 * The way of a call to a server: who has its service, who of them is picked,
 * and where it goes when that fails before anything was sent.
 *
 * Servers that could not be reached just now are picked last. A dial is waited
 * for as long as the call's time allows, but for no more than a third (a half,
 * where two are left) of it while there are others; it goes on for later
 * calls. Each server is tried once, one whose dial was left behind once more
 * at the end. When nobody is left the list is asked for anew, once.
 */
export class Route {
  readonly #candidates: Candidates;
  readonly #picker: Picker;
  readonly #pool: ClientPool;
  #isClosed = false;

  constructor(candidates: Candidates, picker: Picker, pool: ClientPool) {
    this.#candidates = candidates;
    this.#picker = picker;
    this.#pool = pool;
  }

  /**
   * Tries `use` with one server after the other, for as long as nothing was
   * sent. No timer and no dial while the picked one is connected.
   *
   * @throws RpcError invalid_argument  an ill-formed serviceMethod
   * @throws RpcError deadline_exceeded, cancelled  the call's time is over
   * @throws RpcError as Picker.pick where nobody has the service, else the last server's failure
   */
  async attempt<T>(
    serviceMethod: string,
    time: CallTime,
    use: (client: Client) => Promise<T>,
  ): Promise<T> {
    const found = this.#having(serviceMethod, time);
    let left = found instanceof Promise ? await found : found;
    let preferred = this.#up(left);
    let failure: RpcError | undefined;
    let tried: readonly string[] = [];
    let isRefreshed = false;
    for (;;) {
      if (left.length === 0 && !isRefreshed) {
        isRefreshed = true;
        left = await this.#more(serviceMethod, time, tried);
        preferred = withoutDown(left, this.#pool.down);
      }
      if (left.length === 0 && failure !== undefined) throw failure;
      const endpoint = this.#picker.pick(preferred, { serviceMethod });
      let client: Client | undefined;
      try {
        const got = this.#pool.get(endpoint);
        client =
          got instanceof Promise
            ? await this.#dialled(endpoint, got, time, left.length)
            : got;
        return await use(client);
      } catch (thrown) {
        failure = RpcError.from(thrown);
        // Whatever a dial fails with, others may do better while there is time.
        if (client === undefined) time.leftMs();
        else if (!isRefused(failure)) throw failure;
        if (this.#isClosed) throw failure;
      } finally {
        this.#pool.called();
      }
      tried = [...tried, endpoint.address];
      left = left.filter(({ address }) => address !== endpoint.address);
      preferred = withoutDown(left, this.#pool.down);
    }
  }

  /**
   * Every server that has the service.
   *
   * @throws RpcError as attempt, where there is nobody
   */
  async all(
    serviceMethod: string,
    time: CallTime,
  ): Promise<readonly Endpoint[]> {
    const all = await this.#having(serviceMethod, time);
    if (all.length > 0) return all;
    const more = await this.#more(serviceMethod, time, []);
    // Throws the picker's own error where there is nobody.
    if (more.length === 0) this.#picker.pick(more, { serviceMethod });
    return more;
  }

  /** From now on every call is refused. */
  close(): void {
    this.#isClosed = true;
  }

  /** Waits for a dial, but not for all of the call's time while other servers are left. */
  async #dialled(
    endpoint: Endpoint,
    dialling: Promise<Client>,
    time: CallTime,
    leftCount: number,
  ): Promise<Client> {
    const shares = Math.min(leftCount, maxShares);
    const client = await time.waitShare(dialling, shares);
    if (client !== undefined) return client;
    this.#pool.doubt(endpoint);
    throw new RpcError(
      "unavailable",
      `${endpoint.address} took too long to connect`,
      { sent: false },
    );
  }

  /** Servers that a list asked for anew has besides those tried, and of those the ones still being dialled. */
  async #more(
    serviceMethod: string,
    time: CallTime,
    tried: readonly string[],
  ): Promise<readonly Endpoint[]> {
    const service = serviceOf(serviceMethod);
    const having = await this.#candidates.refreshed(service, time);
    const isNew = ({ address }: Endpoint) => !tried.includes(address);
    if (having.some(isNew)) this.#candidates.helped();
    return having.filter(
      (endpoint) => isNew(endpoint) || this.#pool.isDialling(endpoint.address),
    );
  }

  /** The servers that have the call's service: at once while the list is the one last seen. */
  #having(
    serviceMethod: string,
    time: CallTime,
  ): readonly Endpoint[] | Promise<readonly Endpoint[]> {
    const service = serviceOf(serviceMethod);
    if (this.#isClosed) {
      throw new RpcError("unavailable", "the client was closed", {
        sent: false,
      });
    }
    return this.#candidates.having(service, time);
  }

  /** Those of a service's servers that should be asked first. */
  #up(having: readonly Endpoint[]): readonly Endpoint[] {
    if (this.#pool.down.size === 0) return having;
    this.#pool.probe();
    return this.#candidates.up(having, this.#pool.down);
  }
}

/** Whether a failed call has not run and may go to another server. */
function isRefused({ code, sent }: RpcError): boolean {
  return (
    sent === false && (code === "unavailable" || code === "resource_exhausted")
  );
}

function serviceOf(serviceMethod: string): string {
  const split = splitServiceMethod(serviceMethod);
  if (split !== undefined) return split.service;
  throw new RpcError(
    "invalid_argument",
    `"${serviceMethod}" is no method: write Service.Method`,
  );
}
