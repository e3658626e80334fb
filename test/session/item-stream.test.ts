import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { ItemStream } from "../../src/session/item-stream.ts";
import { settle } from "../support/manual-clock.ts";
import { Reading } from "./reading.ts";

const failure = new RpcError("not_found", "no such thing");
const over = { done: true, value: undefined } as const;
const item = (value: unknown) => ({ done: false as const, value });

/** A stream, and what its owner was told. */
function setUp() {
  const told: (number | "abandoned")[] = [];
  const stream = new ItemStream({
    consumed: (bytes) => void told.push(bytes),
    abandoned: () => void told.push("abandoned"),
  });
  return { stream, told };
}

/** What a promise comes to: its value, or the error it is rejected with. */
function outcomeOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.catch((thrown: unknown) => thrown);
}

describe("reading", () => {
  test("items that came before their reader are given in order", async () => {
    const { stream, told } = setUp();
    stream.push("a", 1);
    stream.push("b", 2);
    stream.end();
    expect(await stream.next()).toEqual(item("a"));
    expect(told).toEqual([1]);
    expect(await stream.next()).toEqual(item("b"));
    expect(told).toEqual([1, 2]);
    expect(await stream.next()).toEqual(over);
    expect(await stream.next()).toEqual(over);
    expect(told).toEqual([1, 2]);
  });

  test("readers that came before their items get them in the order of their coming", async () => {
    const { stream, told } = setUp();
    const results = [stream.next(), stream.next(), stream.next()];
    stream.push("a", 1);
    expect(told).toEqual([1]);
    stream.push("b", 2);
    stream.end();
    expect(await Promise.all(results)).toEqual([item("a"), item("b"), over]);
    expect(told).toEqual([1, 2]);
  });

  test("nothing is consumed before it is asked for", async () => {
    const { stream, told } = setUp();
    for (let at = 0; at < 3; at++) stream.push(at, 10);
    const reading = new Reading(stream, 1);
    await settle();
    expect(reading.items).toEqual([0]);
    // The first by the loop, the rest by leaving it.
    expect(told).toEqual([10, "abandoned", 20]);
  });

  test("undefined is an item like others", async () => {
    const { stream } = setUp();
    stream.push(undefined, 64);
    stream.end();
    expect(await stream.next()).toEqual(item(undefined));
    expect(await stream.next()).toEqual(over);
  });

  test("it is its own iterator", () => {
    const { stream } = setUp();
    expect(stream[Symbol.asyncIterator]()).toBe(stream);
  });
});

describe("an error", () => {
  test("is thrown behind the items that came before it, once", async () => {
    const { stream } = setUp();
    stream.push("a", 1);
    stream.push("b", 1);
    stream.fail(failure);
    expect(await stream.next()).toEqual(item("a"));
    expect(await stream.next()).toEqual(item("b"));
    expect(await outcomeOf(stream.next())).toBe(failure);
    expect(await stream.next()).toEqual(over);
  });

  test("goes to the first of those that wait, and the others are told of the end", async () => {
    const { stream } = setUp();
    const results = [stream.next(), stream.next(), stream.next()];
    stream.fail(failure);
    expect(await Promise.all(results.map(outcomeOf))).toEqual([
      failure,
      over,
      over,
    ]);
    expect(await stream.next()).toEqual(over);
  });

  test("behind the end is none", async () => {
    const { stream } = setUp();
    stream.end();
    stream.fail(failure);
    expect(await stream.next()).toEqual(over);
  });

  test("of two the first counts, and an end behind it does not take it back", async () => {
    const { stream } = setUp();
    stream.fail(failure);
    stream.fail(new RpcError("internal", "later"));
    stream.end();
    expect(await outcomeOf(stream.next())).toBe(failure);
  });

  test("abort drops what has not been read", async () => {
    const { stream, told } = setUp();
    stream.push("a", 1);
    stream.push("b", 2);
    stream.abort(failure);
    expect(told).toEqual([3]);
    expect(await outcomeOf(stream.next())).toBe(failure);
    expect(await stream.next()).toEqual(over);
    expect(told).toEqual([3]);
  });

  test("abort behind the end drops what has not been read, and then it was no end", async () => {
    const { stream, told } = setUp();
    stream.push("a", 1);
    stream.end();
    stream.abort(failure);
    expect(told).toEqual([1]);
    expect(await outcomeOf(stream.next())).toBe(failure);
    expect(await stream.next()).toEqual(over);
  });

  test("abort behind an error that has not been read leaves it that one", async () => {
    const { stream } = setUp();
    stream.push("a", 1);
    stream.fail(failure);
    stream.abort(new RpcError("internal", "later"));
    expect(await outcomeOf(stream.next())).toBe(failure);
  });

  test("abort behind the end, when all was read, leaves it an end", async () => {
    const { stream } = setUp();
    stream.push("a", 1);
    stream.end();
    await stream.next();
    stream.abort(failure);
    expect(await stream.next()).toEqual(over);
  });
});

describe("leaving", () => {
  test("before anything came is told", async () => {
    const { stream, told } = setUp();
    expect(await stream.return()).toEqual(over);
    expect(told).toEqual(["abandoned"]);
    expect(stream.isOver).toBe(true);
    expect(await stream.next()).toEqual(over);
  });

  test("between items is told, and what was not read is given back", async () => {
    const { stream, told } = setUp();
    for (let at = 0; at < 4; at++) stream.push(at, 10);
    for await (const value of stream) if (value === 1) break;
    expect(told).toEqual([10, 10, "abandoned", 20]);
  });

  test("by a throw in the loop's body is leaving, too", async () => {
    const { stream, told } = setUp();
    stream.push(1, 10);
    const thrown = new Error("body");
    const loop = async () => {
      for await (const _ of stream) throw thrown;
    };
    expect(await outcomeOf(loop())).toBe(thrown);
    expect(told).toEqual([10, "abandoned"]);
  });

  test("after the end is nothing", async () => {
    const { stream, told } = setUp();
    stream.end();
    await stream.return();
    expect(told).toEqual([]);
  });

  test("after the end with items unread gives those back", async () => {
    const { stream, told } = setUp();
    stream.push("a", 1);
    stream.fail(failure);
    await stream.return();
    expect(told).toEqual([1]);
    // Nor is it thrown any more.
    expect(await stream.next()).toEqual(over);
  });

  test("twice is told once", async () => {
    const { stream, told } = setUp();
    await stream.return();
    await stream.return();
    expect(told).toEqual(["abandoned"]);
  });

  test("ends the readers that wait", async () => {
    const { stream } = setUp();
    const results = [stream.next(), stream.next()];
    await stream.return();
    expect(await Promise.all(results)).toEqual([over, over]);
  });

  test("the end of its `await using` is leaving", async () => {
    const { stream, told } = setUp();
    {
      await using items = stream;
      items.push("a", 1);
    }
    expect(told).toEqual(["abandoned", 1]);
  });
});
