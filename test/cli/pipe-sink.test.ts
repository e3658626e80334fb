import { describe, expect, test } from "bun:test";
import { PipeSink, type PipeWriter } from "../../src/cli/pipe-sink.ts";

const broken = Object.assign(new Error("EPIPE"), { code: "EPIPE" });

/** Writes of which the test says when and how each ends; none of them: at once. */
class FakeWriter implements PipeWriter {
  readonly written: string[] = [];
  flushing: Promise<number> | undefined;

  write(text: string): number {
    this.written.push(text);
    return text.length;
  }

  flush(): number | Promise<number> {
    return this.flushing ?? 0;
  }
}

function setUp() {
  const writer = new FakeWriter();
  return { writer, sink: new PipeSink(writer) };
}

/** What is known of it without waiting. */
async function stateOf(promise: Promise<boolean>): Promise<unknown> {
  for (let turn = 0; turn < 8; turn++) await undefined;
  return Promise.race([promise, Promise.resolve("pending")]);
}

test("what was not written at all is flushed", async () => {
  expect(await setUp().sink.flush()).toBe(true);
});

test("what the kernel took at once is flushed", async () => {
  const { writer, sink } = setUp();
  sink.write("a");
  sink.write("b");
  expect(writer.written).toEqual(["a", "b"]);
  expect(await sink.flush()).toBe(true);
});

test("a slow reader is waited for", async () => {
  const { writer, sink } = setUp();
  const { promise, resolve } = Promise.withResolvers<number>();
  writer.flushing = promise;
  sink.write("a");
  expect(await stateOf(sink.flush())).toBe("pending");
  resolve(1);
  expect(await sink.flush()).toBe(true);
});

describe("a reader that is gone", () => {
  test("shows in what it was waited for, and in all that is written later", async () => {
    const { writer, sink } = setUp();
    const { promise, reject } = Promise.withResolvers<number>();
    writer.flushing = promise;
    sink.write("a");
    reject(broken);
    expect(await sink.flush()).toBe(false);
    writer.flushing = undefined;
    sink.write("b");
    expect(await sink.flush()).toBe(false);
    expect(writer.written).toEqual(["a"]);
  });

  test("shows where the write itself throws", async () => {
    const { writer, sink } = setUp();
    writer.flush = () => {
      throw broken;
    };
    sink.write("a");
    expect(await sink.flush()).toBe(false);
  });
});
