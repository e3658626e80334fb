import { RpcError } from "../errors.ts";
import { formatAddress, parseAddress } from "../transport/address.ts";

/** One server that may be called. */
export interface Endpoint {
  /** `protocol@addr`, in the form that formatAddress gives. */
  readonly address: string;
  /** Names of services; undefined: not told, counts as having all. */
  readonly services: readonly string[] | undefined;
}

/**
 * Where the servers are.
 *
 * Calls may overlap. A list that was given stays as it is: what changes later
 * is another list, so it may be kept and must not be changed. A discovery that
 * has once known servers goes on giving them while it cannot ask: it never
 * rejects `all` then, nor makes it wait.
 */
export interface Discovery {
  /**
   * Every endpoint, sorted by address, each once. Gives the list it has, and
   * has it refreshed in the background when it is stale; waits only while it
   * has nothing to give, and where it has asked in vain just now not even
   * then: many callers are no reason to ask often. The same promise until the
   * list changes, so that who has seen it settled need not wait for it again.
   *
   * @throws RpcError unavailable (sent: false)  nothing is known and asking failed, or closed
   */
  all(): Promise<readonly Endpoint[]>;
  /**
   * Asks now. Joins the request that is under way, if there is one.
   *
   * @throws RpcError unavailable (sent: false)  no usable answer, and the list is as it was; or closed
   */
  refresh(): Promise<void>;
  /**
   * Sets the list by hand, as the original's Update; an answer to a request
   * made before is dropped. `endpoints` is copied.
   *
   * @throws RpcError invalid_argument  an ill-formed address; the list is as it was
   */
  update(endpoints: readonly Endpoint[]): void;
  /** Gives up what is under way. Nothing is left that could run or keep the process alive. Twice is once. */
  close(): void;
}

/**
 * Makes a list as `Discovery.all` gives it: canonical addresses, each once
 * (the first one counts), sorted, frozen.
 *
 * @throws RpcError invalid_argument  an address that cannot be dialled
 */
export function endpointList(
  endpoints: readonly Endpoint[],
): readonly Endpoint[] {
  const byAddress = new Map<string, Endpoint>();
  for (const { address: text, services } of endpoints) {
    const address = canonicalAddress(text);
    if (byAddress.has(address)) continue;
    const names = services === undefined ? undefined : [...services];
    byAddress.set(address, Object.freeze({ address, services: names }));
  }
  const sorted = [...byAddress.keys()].sort();
  return Object.freeze(sorted.map((key) => byAddress.get(key) as Endpoint));
}

/** @throws RpcError invalid_argument  not an address, or one with port 0, which is nowhere */
function canonicalAddress(text: string): string {
  const address = parseAddress(text);
  if (address.protocol !== "unix" && address.port === 0) {
    throw new RpcError(
      "invalid_argument",
      `"${text}" has port 0, which nobody listens on`,
    );
  }
  return formatAddress(address);
}

/** What every method of a closed discovery fails with. */
export function closedError(): RpcError {
  return new RpcError("unavailable", "the discovery is closed", {
    sent: false,
  });
}
