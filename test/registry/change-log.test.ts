import { describe, expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { ChangeLog } from "../../src/registry/change-log.ts";
import type { Change, Registration } from "../../src/registry/lease-table.ts";
import { testRandom } from "../support/seed.ts";

const server = (name: string): Registration => ({
  address: `tcp@${name}:1`,
  services: undefined,
});
const added = (name: string): Change => ({
  kind: "added",
  registration: server(name),
});
const removed = (name: string): Change => ({
  kind: "removed",
  address: `tcp@${name}:1`,
  reason: "expired",
});

function addressesSince(log: ChangeLog, revision: string) {
  return log.since(revision)?.map(({ address }) => address);
}

test("tells what came after a revision, each server once, as it is now, in order", () => {
  const log = new ChangeLog("e");
  const seen = [log.revision];
  for (const change of [added("a"), added("b"), removed("a"), added("c")]) {
    log.append(change);
    seen.push(log.revision);
  }
  expect(new Set(seen).size).toBe(5);
  const [first, second, , fourth, last] = seen as string[];
  expect(log.since(first as string)).toEqual([
    { address: "tcp@b:1", registration: server("b") },
    { address: "tcp@a:1", registration: undefined },
    { address: "tcp@c:1", registration: server("c") },
  ]);
  expect(addressesSince(log, second as string)).toEqual([
    "tcp@b:1",
    "tcp@a:1",
    "tcp@c:1",
  ]);
  expect(addressesSince(log, fourth as string)).toEqual(["tcp@c:1"]);
  expect(log.since(last as string)).toEqual([]);
});

describe("a gap is", () => {
  test("a revision of another log, of the future, or none", () => {
    const log = new ChangeLog("e");
    log.append(added("a"));
    expect(log.since("e.0")).toHaveLength(1);
    for (const revision of ["f.0", "e.2", "e", "e.", "e.-1", "e.x", "", ".0"]) {
      expect(log.since(revision)).toBeUndefined();
    }
  });

  test("one that is older than what is kept", () => {
    const log = new ChangeLog("e", 10);
    for (let i = 0; i < 45; i++) log.append(added(`h${i}`));
    expect(log.since("e.35")).toHaveLength(10);
    expect(log.since("e.24")).toBeUndefined();
    expect(log.since("e.45")).toEqual([]);
  });
});

test("a list that goes by its deltas is the list, through thousands of changes", () => {
  const random = testRandom();
  const log = new ChangeLog("e", 50);
  const servers = new Set<string>();
  let copy = new Set<string>();
  let seen = log.revision;
  let gapCount = 0;
  for (let step = 0; step < 3_000; step++) {
    const name = `h${randomIndex(20, random)}`;
    const isThere = servers.has(`tcp@${name}:1`);
    if (isThere) servers.delete(`tcp@${name}:1`);
    else servers.add(`tcp@${name}:1`);
    log.append(isThere ? removed(name) : added(name));
    if (random() > 0.02) continue;
    const deltas = log.since(seen);
    if (deltas === undefined) {
      gapCount++;
      copy = new Set(servers);
    }
    for (const { address, registration } of deltas ?? []) {
      if (registration === undefined) copy.delete(address);
      else copy.add(address);
    }
    seen = log.revision;
    expect([...copy].sort()).toEqual([...servers].sort());
  }
  expect(gapCount).toBeGreaterThan(0);
});
