import { makeRoom } from "../balance/method-places.ts";
import { Backoff, reconnectBackoff } from "../base/backoff.ts";
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Discovery, Endpoint } from "../discovery/discovery.ts";
import type { CallTime } from "./call-time.ts";

/** How soon a list that did not help is asked for again. */
const refreshBackoff = { ...reconnectBackoff, maxMs: 2_000 };

/**
 * The servers that a call may go to: discovery's list, by service.
 *
 * A server that did not tell its services counts as having all, and every one
 * has geerpc's own. A list that does not help, because it knows nobody with
 * the service or nobody on it can be reached, may be older than the servers:
 * it is asked for anew, once however many calls wait, and again only after
 * 250 ms × 1.6 and so on, at most 2 s.
 *
 * A list that has emptied takes nobody away who is connected: a server that
 * leaves ends its connections, so a registry that lists nobody while they hold
 * is cut off from the servers, or lies. Each is out as soon as its connection
 * is, and nobody is dialled.
 */
export class Candidates {
  readonly #discovery: Discovery;
  readonly #onList: (addresses: ReadonlySet<string>) => void;
  readonly #isConnected: (address: string) => boolean;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  /** Discovery's last answer: it gives the same promise until the list changes. */
  #answer: Promise<readonly Endpoint[]> | undefined;
  #listed: readonly Endpoint[] = [];
  /** Discovery lists nobody; these are connected. */
  #isKept = false;
  /** Endpoints by service, of the list last seen. */
  readonly #byService = new Map<string, readonly Endpoint[]>();
  #lastService: string | undefined;
  #lastHaving: readonly Endpoint[] = [];
  /** Those of a list that are not down, for the set of which that is true. */
  #up = new WeakMap<readonly Endpoint[], readonly Endpoint[]>();
  #upWithout: ReadonlySet<string> | undefined;
  #refreshing: Promise<void> | undefined;
  #refreshAt = 0;

  /**
   * @param onList told the addresses of each new list
   * @param isConnected whether an address can be called without a dial
   */
  constructor(
    discovery: Discovery,
    clock: Clock,
    random: Random,
    onList: (addresses: ReadonlySet<string>) => void,
    isConnected: (address: string) => boolean,
  ) {
    this.#discovery = discovery;
    this.#isConnected = isConnected;
    this.#clock = clock;
    this.#backoff = new Backoff(refreshBackoff, random);
    this.#onList = onList;
  }

  /**
   * The servers that have `service`: at once while the list is the one last
   * seen. The same array until the list changes.
   *
   * @throws RpcError as Discovery.all and CallTime.wait
   */
  having(
    service: string,
    time: CallTime,
  ): readonly Endpoint[] | Promise<readonly Endpoint[]> {
    const answer = this.#discovery.all();
    if (this.#isKept && this.#keepConnected()) {
      answer.then(
        (listed) => this.#accept(answer, listed),
        () => {},
      );
      return this.#having(service);
    }
    if (answer === this.#answer) return this.#having(service);
    return time.wait(answer).then((listed) => {
      this.#accept(answer, listed);
      return this.#having(service);
    });
  }

  /** The same, where that needs no waiting. */
  known(service: string): readonly Endpoint[] | undefined {
    if (this.#isKept) return undefined;
    const answer = this.#discovery.all();
    if (answer === this.#answer) return this.#having(service);
    // Whoever waits for it hears what it fails with.
    answer.catch(() => {});
    return undefined;
  }

  /**
   * Has the list asked for anew, unless that was just done, and gives the
   * servers that have `service`. A registry that is away is no failure of it.
   *
   * @throws RpcError as having
   */
  async refreshed(
    service: string,
    time: CallTime,
  ): Promise<readonly Endpoint[]> {
    // An empty list was asked for by having().
    if (this.#listed.length > 0) {
      const refreshing = this.#refresh();
      if (refreshing !== undefined) {
        await time.wait(refreshing.catch(() => {}));
      }
    }
    return this.having(service, time);
  }

  /** A refreshed list has helped: the next one may be asked for at once. */
  helped(): void {
    this.#backoff.reset();
    this.#refreshAt = 0;
  }

  /** `endpoints`, one of the arrays that having() gave, without those in `down`; all where it leaves none. */
  up(
    endpoints: readonly Endpoint[],
    down: ReadonlySet<string>,
  ): readonly Endpoint[] {
    if (this.#upWithout !== down) {
      this.#upWithout = down;
      this.#up = new WeakMap();
    }
    let up = this.#up.get(endpoints);
    if (up === undefined) {
      up = withoutDown(endpoints, down);
      this.#up.set(endpoints, up);
    }
    return up;
  }

  #refresh(): Promise<void> | undefined {
    if (this.#refreshing === undefined) {
      if (this.#clock.now() < this.#refreshAt) return undefined;
      this.#refreshing = this.#discovery.refresh().finally(() => {
        this.#refreshing = undefined;
        this.#refreshAt = this.#clock.now() + this.#backoff.nextMs();
      });
    }
    return this.#refreshing;
  }

  #having(service: string): readonly Endpoint[] {
    // Mostly the one that was asked for last.
    if (service === this.#lastService) return this.#lastHaving;
    let having = this.#byService.get(service);
    if (having === undefined) {
      having = this.#listed.filter(
        ({ services }) =>
          services === undefined ||
          isOwn(service) ||
          services.includes(service),
      );
      makeRoom(this.#byService);
      this.#byService.set(service, having);
    }
    this.#lastService = service;
    this.#lastHaving = having;
    return having;
  }

  #accept(
    answer: Promise<readonly Endpoint[]>,
    listed: readonly Endpoint[],
  ): void {
    this.#answer = answer;
    this.#isKept = listed.length === 0 && this.#keepConnected();
    if (!this.#isKept && listed !== this.#listed) this.#relist(listed);
  }

  /** Leaves out who is not connected; false: nobody is left. */
  #keepConnected(): boolean {
    const connected = this.#listed.filter(({ address }) =>
      this.#isConnected(address),
    );
    if (connected.length < this.#listed.length) this.#relist(connected);
    return connected.length > 0;
  }

  /** Another list of servers: forgets what was derived from the one before. */
  #relist(listed: readonly Endpoint[]): void {
    this.#listed = listed;
    this.#byService.clear();
    this.#lastService = undefined;
    this.#onList(new Set(listed.map(({ address }) => address)));
  }
}

/** Those that are not down; all of them where that leaves nobody. */
export function withoutDown(
  endpoints: readonly Endpoint[],
  down: ReadonlySet<string>,
): readonly Endpoint[] {
  const up = endpoints.filter(({ address }) => !down.has(address));
  return up.length > 0 ? up : endpoints;
}

/** geerpc's own services are on every server and in no list. */
function isOwn(service: string): boolean {
  return service.startsWith("_geerpc");
}
