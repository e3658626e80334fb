import { expect, test } from "bun:test";
import { StaticDiscovery } from "../../src/discovery/static.ts";
import { CallTime } from "../../src/xclient/call-time.ts";
import { Candidates } from "../../src/xclient/candidates.ts";
import { ManualClock } from "../support/manual-clock.ts";

test("the servers of a service are one array, of at most 1,024 services", async () => {
  const clock = new ManualClock();
  const candidates = new Candidates(
    new StaticDiscovery(["tcp@a:1"]),
    clock,
    () => 0.5,
    () => {},
    () => true,
  );
  const first = await candidates.having(
    "S0",
    new CallTime(clock, 0, undefined),
  );
  for (let service = 1; service < 1_024; service++) {
    candidates.known(`S${service}`);
  }
  expect(candidates.known("S0")).toBe(first);
  candidates.known("one more");
  expect(candidates.known("S0")).not.toBe(first);
  expect(candidates.known("S0")).toEqual(first);
});
