import { nobodyError } from "../balance/picker.ts";
import type { Endpoint } from "../discovery/discovery.ts";
import { RpcError } from "../errors.ts";
import { splitServiceMethod } from "../service/service-method.ts";
import { checkServiceMethod } from "../session/call-terms.ts";
import { type Candidates, withoutDown } from "./candidates.ts";
import type { ClientPool } from "./client-pool.ts";
import type { CallTime } from "./call-time.ts";

/**
 * The servers that a method can be called at: those that have its service, and
 * of them those that can be reached. Nobody once it is closed.
 */
export class MethodServers {
  readonly #candidates: Candidates;
  readonly #pool: ClientPool;
  #isClosed = false;
  #lastMethod: string | undefined;
  #lastService = "";

  constructor(candidates: Candidates, pool: ClientPool) {
    this.#candidates = candidates;
    this.#pool = pool;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** From now on every call is refused. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * At once where the list is the one last seen. The same array until it
   * changes.
   *
   * @throws RpcError invalid_argument  an ill-formed serviceMethod
   * @throws RpcError unavailable       closed; sent is false
   * @throws RpcError as Candidates.having
   */
  having(
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

  /**
   * The same, where that needs no waiting, and there is somebody.
   *
   * @throws RpcError invalid_argument  an ill-formed serviceMethod
   */
  known(serviceMethod: string): readonly Endpoint[] | undefined {
    if (this.#isClosed) return undefined;
    // Mostly the one that was asked for last; splitting it makes another string.
    if (serviceMethod !== this.#lastMethod) {
      this.#lastService = serviceOf(serviceMethod);
      this.#lastMethod = serviceMethod;
    }
    const having = this.#candidates.known(this.#lastService);
    return having?.length === 0 ? undefined : having;
  }

  /** In a list that is asked for anew. @throws RpcError as Candidates.refreshed */
  refreshed(
    serviceMethod: string,
    time: CallTime,
  ): Promise<readonly Endpoint[]> {
    return this.#candidates.refreshed(serviceOf(serviceMethod), time);
  }

  /** Of a list that was asked for anew those that a call may go to: who was not tried, and who is still being dialled. */
  left(
    refreshed: readonly Endpoint[],
    tried: readonly string[],
  ): readonly Endpoint[] {
    const isNew = ({ address }: Endpoint) => !tried.includes(address);
    if (refreshed.some(isNew)) this.#candidates.helped();
    return refreshed.filter(
      (endpoint) => isNew(endpoint) || this.#pool.isDialling(endpoint.address),
    );
  }

  /**
   * All of them, in a list that is asked for anew where it has nobody.
   *
   * @throws RpcError as having
   * @throws RpcError unavailable  nobody has the service; sent is false
   */
  async all(
    serviceMethod: string,
    time: CallTime,
  ): Promise<readonly Endpoint[]> {
    const having = await this.having(serviceMethod, time);
    if (having.length > 0) return having;
    const refreshed = await this.refreshed(serviceMethod, time);
    if (refreshed.length === 0) throw nobodyError({ serviceMethod });
    this.#candidates.helped();
    return refreshed;
  }

  /** Those of `having`, one of the arrays given here, that should be asked first. */
  up(having: readonly Endpoint[]): readonly Endpoint[] {
    if (this.#pool.down.size === 0) return having;
    this.#pool.probe();
    return this.#candidates.up(having, this.#pool.down);
  }

  /** The same of a part of one. */
  upOf(part: readonly Endpoint[]): readonly Endpoint[] {
    return withoutDown(part, this.#pool.down);
  }
}

function serviceOf(serviceMethod: string): string {
  checkServiceMethod(serviceMethod);
  const split = splitServiceMethod(serviceMethod);
  if (split !== undefined) return split.service;
  throw new RpcError(
    "invalid_argument",
    `"${serviceMethod}" is no method: write Service.Method`,
  );
}
