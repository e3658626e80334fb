import {
  closedError,
  type Discovery,
  type Endpoint,
  endpointList,
} from "./discovery.ts";

/** A list that changes by hand only. Its servers count as having every service. */
export class StaticDiscovery implements Discovery {
  #list: Promise<readonly Endpoint[]>;
  #isClosed = false;

  /** @throws RpcError invalid_argument  an ill-formed address */
  constructor(addresses: readonly string[]) {
    this.#list = Promise.resolve(
      endpointList(
        addresses.map((address) => ({ address, services: undefined })),
      ),
    );
  }

  all(): Promise<readonly Endpoint[]> {
    return this.#isClosed ? Promise.reject(closedError()) : this.#list;
  }

  /** There is nobody to ask. */
  async refresh(): Promise<void> {
    if (this.#isClosed) throw closedError();
  }

  update(endpoints: readonly Endpoint[]): void {
    this.#list = Promise.resolve(endpointList(endpoints));
  }

  close(): void {
    this.#isClosed = true;
  }
}
