import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { bodyStatus, readBody } from "../../src/http/body.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";

/** A body that sends these chunks and then stops coming. */
function setUp(chunks: Uint8Array[], declared?: number) {
  const clock = new ManualClock();
  const told = { pulls: 0, isCancelled: false };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        told.pulls++;
        const chunk = chunks.shift();
        if (chunk !== undefined) controller.enqueue(chunk);
        else return new Promise(() => {});
        return undefined;
      },
      cancel() {
        told.isCancelled = true;
      },
    },
    { highWaterMark: 0 },
  );
  const headers = new Headers(
    declared === undefined ? {} : { "Content-Length": `${declared}` },
  );
  const body = readBody(
    { body: stream, headers },
    { maxBytes: 4, timeoutMs: 500, clock },
  ).catch((thrown: unknown) => thrown);
  return { clock, told, body };
}

const four = Buffer.from("grün").subarray(0, 4);

describe("a body", () => {
  test("is text, whatever the pieces", async () => {
    const options = { maxBytes: 5, timeoutMs: 500, clock: new ManualClock() };
    const text = await readBody(new Response("grün"), options);
    expect(text).toBe("grün");
    expect(await readBody(new Response(null), options)).toBe("");
    expect(options.clock.timers).toBe(0);
  });

  test("that stops coming is given up", async () => {
    const { clock, told, body } = setUp([Buffer.from("ab")]);
    await clock.advance(499);
    expect(told.isCancelled).toBe(false);
    await clock.advance(1);
    expect(await body).toMatchObject({ code: "deadline_exceeded" });
    expect(told.isCancelled).toBe(true);
    expect(clock.timers).toBe(0);
  });

  test("is given up with its signal, whatever its reader does", async () => {
    for (const isEarly of [true, false]) {
      const clock = new ManualClock();
      const controller = new AbortController();
      const { signal } = controller;
      let isCancelled = false;
      const body = new ReadableStream<Uint8Array>({
        pull: () => new Promise(() => {}),
        cancel: () => void (isCancelled = true),
      });
      if (isEarly) controller.abort();
      const options = { maxBytes: 4, timeoutMs: 500, clock, signal };
      const text = readBody({ body, headers: new Headers() }, options);
      const failed = text.catch((thrown: unknown) => thrown);
      await settle();
      controller.abort();
      expect(await failed).toMatchObject({ code: "cancelled" });
      expect(isCancelled).toBe(true);
      expect(clock.timers).toBe(0);
    }
  });

  test("that is too long is read no further", async () => {
    const { clock, told, body } = setUp([four, four, four, four]);
    expect(await body).toMatchObject({ code: "resource_exhausted" });
    await settle();
    expect(told).toEqual({ pulls: 2, isCancelled: true });
    expect(clock.timers).toBe(0);
  });

  test("that declares too much is not read at all", async () => {
    const { told, body } = setUp([four], 5);
    expect(await body).toMatchObject({ code: "resource_exhausted" });
    expect(told).toEqual({ pulls: 0, isCancelled: true });
  });

  test("that is no UTF-8 is an invalid argument", async () => {
    const options = { maxBytes: 9, timeoutMs: 500, clock: new ManualClock() };
    const read = readBody(new Response(Uint8Array.of(0xff)), options);
    expect(await read.catch((thrown: unknown) => thrown)).toMatchObject({
      code: "invalid_argument",
    });
  });
});

test.each([
  ["resource_exhausted", 413],
  ["deadline_exceeded", 408],
  ["invalid_argument", 400],
] as const)("%s is %i", (code, status) => {
  expect(bodyStatus(new RpcError(code, "so"))).toBe(status);
});
