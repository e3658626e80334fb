import { expect, test } from "bun:test";
import { SeqTable } from "../../src/session/seq-table.ts";
import { randomIndex } from "../../src/base/random.ts";
import { testRandom } from "../support/seed.ts";

test("it holds what a Map holds, whatever comes and goes", () => {
  const random = testRandom();
  const table = new SeqTable<{ seq: number }>();
  const model = new Map<number, { seq: number }>();
  let seq = 2 ** 32 - 3000;
  let mostOpen = 0;
  for (let step = 0; step < 40_000; step++) {
    const wanted = step < 20_000 ? 6000 : 0;
    const mustAdd = randomIndex(10, random) < (model.size < wanted ? 7 : 3);
    if (mustAdd) {
      const entry = { seq: ++seq };
      table.add(entry);
      model.set(seq, entry);
    } else {
      // Mostly a young one; at times one that is over, or never was.
      const back = randomIndex(random() < 0.9 ? 50 : 8000, random);
      table.delete(seq + 5 - back);
      model.delete(seq + 5 - back);
    }
    mostOpen = Math.max(mostOpen, model.size);
    const probe = seq + 5 - randomIndex(8000, random);
    expect(table.get(probe)).toBe(model.get(probe));
    expect(table.size).toBe(model.size);
  }
  expect(mostOpen).toBeGreaterThan(5000);
  expect(table.all()).toEqual([...model.values()]);
});

test("all of them come by seq, also those whose place was taken", () => {
  const table = new SeqTable<{ seq: number }>();
  const seqs = [1, 4097, 8193, 2, 4098];
  for (const seq of [...seqs].reverse()) table.add({ seq });
  expect(table.all().map(({ seq }) => seq)).toEqual(
    seqs.toSorted((one, other) => one - other),
  );
  table.delete(1);
  expect(table.get(1)).toBeUndefined();
  expect(table.get(4097)).toEqual({ seq: 4097 });
  table.clear();
  expect([table.size, table.all().length]).toEqual([0, 0]);
  expect(table.get(4097)).toBeUndefined();
});
