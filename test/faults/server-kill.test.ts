import { expect, setDefaultTimeout, test } from "bun:test";
import { nothingWrong } from "./ledger.ts";
import { inFlight, killServers } from "./server-kill.ts";

setDefaultTimeout(60_000);

test("a server that is killed costs the calls in flight there, and no other", async () => {
  const rounds = 3;
  const { verdict, inFlightThere, failedElsewhere } = await killServers(rounds);
  expect(verdict).toMatchObject(nothingWrong);
  expect(verdict.failed).toBeLessThanOrEqual(rounds * inFlight);
  expect(inFlightThere).toHaveLength(rounds);
  for (const { failures, calls } of inFlightThere) {
    expect(failures).toBeLessThanOrEqual(calls);
  }
  expect(failedElsewhere).toEqual([]);
});
