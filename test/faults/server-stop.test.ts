import { expect, setDefaultTimeout, test } from "bun:test";
import { nothingWrong } from "./ledger.ts";
import { mayBeLate, mayFail, stopServer } from "./server-stop.ts";

setDefaultTimeout(60_000);

test("a server that is stopped is avoided, and what has expired there does not run", async () => {
  const inFlight = 4;
  const { verdict, codes, failedAfter, failedElsewhere, lateMs } =
    await stopServer({
      inFlight,
      stoppedMs: 1_000,
      timeoutMs: 200,
      patienceMs: 500,
    });
  expect(verdict).toMatchObject(nothingWrong);
  // A probe comes after 5 s.
  expect(codes.length).toBeGreaterThanOrEqual(5);
  expect(codes.length).toBeLessThanOrEqual(mayFail(inFlight));
  expect(new Set(codes)).toEqual(new Set(["deadline_exceeded"]));
  expect(failedAfter).toBe(0);
  expect(failedElsewhere).toBe(0);
  // Of those that waited there, five and more, none would have been in time.
  expect(lateMs.length).toBeLessThanOrEqual(mayBeLate);
});
