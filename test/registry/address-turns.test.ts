import { expect, test } from "bun:test";
import { AddressTurns } from "../../src/registry/address-turns.ts";
import { settle } from "../support/manual-clock.ts";

test("work for one address is done in order, also behind what fails, and others' beside it", async () => {
  const turns = new AddressTurns();
  const log: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const start = (address: string, name: string) => {
    const gate = Promise.withResolvers<void>();
    gates.set(name, gate);
    return turns
      .take(address, async () => {
        log.push(`${name} begins`);
        await gate.promise;
        return name;
      })
      .catch((error: unknown) => error);
  };
  const first = start("a", "first");
  const second = start("a", "second");
  const other = start("b", "other");
  await settle();
  expect(log).toEqual(["first begins", "other begins"]);
  const failure = new Error("no");
  gates.get("first")?.reject(failure);
  expect(await first).toBe(failure);
  await settle();
  expect(log).toEqual(["first begins", "other begins", "second begins"]);
  for (const name of ["second", "other"]) gates.get(name)?.resolve();
  expect(await Promise.all([second, other])).toEqual(["second", "other"]);
  await settle();
  expect(turns.size).toBe(0);
});
