import { expect, setDefaultTimeout, test } from "bun:test";
import { nothingWrong } from "./ledger.ts";
import { changeServers, inFlight, slowServer } from "./server-traffic.ts";

setDefaultTimeout(60_000);

test("a server that becomes slow loses its traffic to the less loaded ones", async () => {
  expect(await slowServer(200, 300, 1_000)).toBeLessThanOrEqual(0.05);
});

test("a new server is called, one that leaves fails nothing, one that is killed what is in flight", async () => {
  const { verdict, failedBeforeKill } = await changeServers();
  expect(verdict).toMatchObject(nothingWrong);
  expect(failedBeforeKill).toBe(0);
  expect(verdict.failed).toBeLessThanOrEqual(inFlight);
});
