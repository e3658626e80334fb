import { expect, test } from "bun:test";
import {
  type AmbiguousType,
  type Change,
  type CodecContext,
  type ConnectOptions,
  connect,
  type DeclaredTypes,
  type Discovery,
  type Endpoint,
  endpointList,
  type Form,
  type LeaseLimits,
  type ListedServer,
  type Listing,
  MemoryStore,
  nobodyError,
  type Picker,
  type Registration,
  type RegistryDiscoveryOptions,
  type Store,
  XClient,
} from "../../src/index.ts";

// Everything that an implementation of a seam names comes from the index.

class OwnDiscovery implements Discovery {
  #list: Promise<readonly Endpoint[]> = Promise.resolve([]);
  all = () => this.#list;
  refresh = async () => {};
  close = () => {};
  update(endpoints: readonly Endpoint[]): void {
    this.#list = Promise.resolve(endpointList(endpoints));
  }
}

const lastPicker: Picker = {
  pick(endpoints, call) {
    const endpoint = endpoints.at(-1);
    if (endpoint === undefined) throw nobodyError(call);
    return endpoint;
  },
};

class CountingStore extends MemoryStore {
  puts = 0;
  override put(...[registration, ...rest]: Parameters<Store["put"]>) {
    const kept: Registration = registration;
    this.puts++;
    return super.put(kept, ...rest);
  }
}

type Named = {
  listing: Listing;
  server: ListedServer;
  change: Change;
  limits: LeaseLimits;
  form: Form;
  declared: DeclaredTypes;
  context: CodecContext;
  ambiguity: AmbiguousType;
};

test("a discovery, a picker and a store of one's own need the index only", async () => {
  const discovery = new OwnDiscovery();
  discovery.update([{ address: "10.0.0.1:04000", services: ["Foo"] }]);
  const [endpoint] = await discovery.all();
  expect(endpoint?.address).toBe("tcp@10.0.0.1:4000");
  const call = { serviceMethod: "Foo.sum" };
  expect(lastPicker.pick(await discovery.all(), call)).toBe(
    endpoint as Endpoint,
  );
  expect(() => lastPicker.pick([], call)).toThrow(
    expect.objectContaining({ code: "unavailable" }),
  );
  await using xc = new XClient(discovery);
  expect(xc).toBeInstanceOf(XClient);
  expect(new CountingStore().puts).toBe(0);
});

test("connect takes how registries are asked, but for what it gives itself", () => {
  const asked: Pick<RegistryDiscoveryOptions, "timeoutMs" | "refreshAfterMs"> =
    { timeoutMs: 10, refreshAfterMs: 20 };
  const options: ConnectOptions = { discovery: asked };
  // @ts-expect-error the client's clock is the discovery's
  const twice: ConnectOptions = { discovery: { clock: undefined } };
  expect([options, twice, connect]).toHaveLength(3);
  const named: Partial<Named> = {};
  expect(named).toEqual({});
});
