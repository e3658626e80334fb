import { expect, test } from "bun:test";
import { StdinItems } from "../../src/cli/stdin-items.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

const encoder = new TextEncoder();

/** A stdin that counts what is read of it. */
class FakeStdin implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #chunks: Uint8Array[];
  reads = 0;
  isLeft = false;

  constructor(chunks: readonly (string | Uint8Array)[]) {
    this.#chunks = chunks.map((chunk) =>
      typeof chunk === "string" ? encoder.encode(chunk) : chunk,
    );
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const value = this.#chunks[this.reads++];
    return value === undefined
      ? { done: true, value: undefined }
      : { done: false, value };
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.isLeft = true;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

async function itemsOf(
  ...chunks: readonly (string | Uint8Array)[]
): Promise<unknown[]> {
  const items: unknown[] = [];
  for await (const item of new StdinItems(new FakeStdin(chunks))) {
    items.push(item);
  }
  return items;
}

test.each([
  [[], []],
  [["", "\n", " \r\n\t\n"], []],
  [["1\n2\n3\n"], [1, 2, 3]],
  [["1\n2\n3"], [1, 2, 3]],
  [
    ["1", "2\n", "\n", "\n3"],
    [12, 3],
  ],
  [
    ['1\r\n{"a":', "[2]}\r\n"],
    [1, { a: [2] }],
  ],
  [['"a\\nb"\nnull\n"é"'], ["a\nb", null, "é"]],
])("%j is %j", async (chunks, items) => {
  expect(await itemsOf(...chunks)).toEqual(items);
});

test("cut at each of its bytes, it is the same", async () => {
  const bytes = encoder.encode('{"a":"é€😀"}\n\n"ü"\n12');
  for (let at = 0; at <= bytes.length; at++) {
    const chunks = [bytes.slice(0, at), bytes.slice(at)];
    expect(await itemsOf(...chunks)).toEqual([{ a: "é€😀" }, "ü", 12]);
  }
  const single = Array.from(bytes, (byte) => Uint8Array.of(byte));
  expect(await itemsOf(...single)).toEqual([{ a: "é€😀" }, "ü", 12]);
});

test("an item is there with its line's end, and no more is read than that takes", async () => {
  const stdin = new FakeStdin(["1\n2\n", "3\n"]);
  const items = new StdinItems(stdin)[Symbol.asyncIterator]();
  expect(stdin.reads).toBe(0);
  expect((await items.next()).value).toBe(1);
  expect((await items.next()).value).toBe(2);
  expect(stdin.reads).toBe(1);
  await items.return(undefined);
  expect(stdin.isLeft).toBe(true);
});

test("a line that is no JSON is wrong usage, which it remembers, by its number", async () => {
  const items = new StdinItems(new FakeStdin(["1\n\n{\u001b\n4\n"]));
  const reader = items[Symbol.asyncIterator]();
  expect((await reader.next()).value).toBe(1);
  expect(items.fault).toBeUndefined();
  const thrown = await reader.next().catch((error) => error);
  expect(thrown).toBeInstanceOf(UsageError);
  expect(items.fault).toBe(thrown);
  expect(thrown.message).toContain("line 3");
  expect(thrown.message).not.toMatch(/[\u0000-\u001f]/);
});
