import { RpcError } from "../errors.ts";
import { formatAddress, parseAddress } from "../transport/address.ts";

/** One server that may be called. */
export interface Endpoint {
  /** `protocol@addr`, in the form that formatAddress gives. */
  readonly address: string;
  /** Names of services; undefined: not told, counts as having all. */
  readonly services: readonly string[] | undefined;
  /** What it can take beside the others: twice the weight, twice the calls. Not told, or not above 0: 1. */
  readonly weight?: number;
  /** How busy it says it is, from 0, idle, to 1. Not told, or not a number: 0. */
  readonly load?: number;
  /** The part of the network that it is in, such as a data centre. */
  readonly zone?: string;
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
  for (const given of endpoints) {
    const endpoint = canonicalEndpoint(given);
    const { address } = endpoint;
    if (!byAddress.has(address)) byAddress.set(address, endpoint);
  }
  const sorted = [...byAddress.keys()].sort();
  return Object.freeze(sorted.map((key) => byAddress.get(key) as Endpoint));
}

/** Those that canonicalEndpoint has made: lists are made of lists, and addresses cost 2 µs each. */
const canonicalOnes = new WeakSet<Endpoint>();

/**
 * A frozen copy with the address in its one form, without what was not told;
 * one that is such a copy is given back.
 *
 * @throws RpcError invalid_argument  an address that cannot be dialled
 */
export function canonicalEndpoint(given: Endpoint): Endpoint {
  if (canonicalOnes.has(given)) return given;
  const { services, weight, load, zone } = given;
  const endpoint = Object.freeze({
    address: canonicalAddress(given.address),
    services: services === undefined ? undefined : [...services],
    ...(weight !== undefined && { weight }),
    ...(load !== undefined && { load }),
    ...(zone !== undefined && { zone }),
  });
  canonicalOnes.add(endpoint);
  return endpoint;
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
