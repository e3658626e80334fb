import {
  closedError,
  type Discovery,
  type Endpoint,
  endpointList,
} from "./discovery.ts";

/** A list that changes by hand only. Its servers count as having every service. */
export class StaticDiscovery implements Discovery {
  #endpoints: readonly Endpoint[];
  #isClosed = false;

  /** @throws RpcError invalid_argument  an ill-formed address */
  constructor(addresses: readonly string[]) {
    this.#endpoints = endpointList(
      addresses.map((address) => ({ address, services: undefined })),
    );
  }

  async all(): Promise<readonly Endpoint[]> {
    if (this.#isClosed) throw closedError();
    return this.#endpoints;
  }

  /** There is nobody to ask. */
  async refresh(): Promise<void> {
    if (this.#isClosed) throw closedError();
  }

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpointList(endpoints);
  }

  close(): void {
    this.#isClosed = true;
  }
}
