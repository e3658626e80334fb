import { expect, setDefaultTimeout, test } from "bun:test";
import { nothingWrong } from "./ledger.ts";
import { restartServers } from "./server-restart.ts";

setDefaultTimeout(60_000);

test("while all servers are restarted in turn, no call fails and none runs twice", async () => {
  const { verdict, codes, failures } = await restartServers(1, 5_000);
  expect(failures).toEqual([]);
  expect(verdict).toMatchObject({ ...nothingWrong, failed: 0 });
  expect(verdict.answered).toBeGreaterThanOrEqual(5_000);
  expect(codes).toEqual([0, 0, 0]);
});
