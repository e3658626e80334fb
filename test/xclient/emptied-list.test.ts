import { expect, test } from "bun:test";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { RpcError } from "../../src/errors.ts";
import { XClient } from "../../src/xclient/xclient.ts";
import { Fleet } from "./fleet.ts";

const addresses = ["tcp@10.0.0.1:1", "tcp@10.0.0.2:1", "tcp@10.0.0.3:1"];
const [first, second] = addresses as [string, string];

async function setUp() {
  const fleet = new Fleet();
  for (const address of addresses) fleet.add(address, { at: () => address });
  const discovery = new StaticDiscovery(addresses);
  const { dial } = fleet;
  const client = new XClient(discovery, {
    mode: "round-robin",
    random: () => 0,
    dial,
  });
  const at = () => client.call<string>("Foo.at");
  return {
    fleet,
    discovery,
    at,
    async [Symbol.asyncDispose]() {
      await client.close();
      await fleet[Symbol.asyncDispose]();
    },
  };
}

test("a list that empties takes out who is not connected, and nobody else", async () => {
  await using both = await setUp();
  const { fleet, discovery, at } = both;
  expect([await at(), await at()].sort()).toEqual([first, second]);
  discovery.update([]);
  const answers = [await at(), await at(), await at(), await at()];
  expect([...new Set(answers)].sort()).toEqual([first, second]);
  expect(fleet.dials).toHaveLength(2);
});

test("who is kept is out with its connection, and is not dialled", async () => {
  await using both = await setUp();
  const { fleet, discovery, at } = both;
  await at();
  await at();
  discovery.update([]);
  fleet.kill(first);
  expect([await at(), await at()]).toEqual([second, second]);
  fleet.kill(second);
  const error = await at().catch((thrown) => thrown);
  expect(error).toMatchObject({ code: "unavailable", sent: false });
  expect(fleet.dials).toHaveLength(2);
});

test("while some are kept, a failure to list is no failure of calls, and the next list counts", async () => {
  await using both = await setUp();
  const { discovery, at } = both;
  await at();
  discovery.update([]);
  await at();
  const all = discovery.all.bind(discovery);
  discovery.all = () => Promise.reject(new RpcError("unavailable", "away"));
  expect(await at()).toBe(first);
  discovery.all = all;
  discovery.update([{ address: second, services: undefined }]);
  await at();
  expect([await at(), await at()]).toEqual([second, second]);
});
