import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import { Reading } from "./reading.ts";
import { expectNothingLeft, twoEnds } from "./two-ends.ts";

const gone = new RpcError("unavailable", "the test ended it");

describe("a handler that calls its caller", () => {
  for (const side of ["dial", "accept"] as const) {
    test(`gets the answer inside of its own call (of the ${side}ing end)`, async () => {
      const ends = twoEnds();
      const near = ends[side];
      const call = near.call("ask", "who?");
      await settle();
      expect(near.foo.held).toMatchObject([{ args: "who?" }]);
      near.foo.held[0]?.resolve("me");
      await settle();
      expect(call.reply).toEqual({ heard: "me" });
      await expectNothingLeft(ends);
    });
  }

  test("hands down what is left of the time, and the trace", async () => {
    const ends = twoEnds();
    const metadata = new Map([
      ["traceparent", "00-1-2-01"],
      ["other", "stays there"],
    ]);
    const call = ends.dial.call("ask", 0, { timeoutMs: 100, metadata });
    await settle();
    const [held] = ends.dial.foo.held;
    expect(held?.context.deadlineAt).toBe(ends.clock.now() + 100);
    expect(held?.context.metadata).toEqual(
      new Map([["traceparent", "00-1-2-01"]]),
    );
    await ends.clock.advance(100);
    expect(call.error?.code).toBe("deadline_exceeded");
    expect(held?.context.signal.aborted).toBe(true);
    held?.resolve("late");
    await settle();
    await expectNothingLeft(ends);
  });

  test("hands down its end: the handler at its caller is told", async () => {
    const ends = twoEnds();
    const controller = new AbortController();
    ends.dial.call("ask", 0, { signal: controller.signal });
    await settle();
    controller.abort();
    await settle();
    const [held] = ends.dial.foo.held;
    expect(held?.context.signal.reason).toMatchObject({ code: "cancelled" });
    held?.resolve("late");
    await settle();
    await expectNothingLeft(ends);
  });

  test("gets what its caller throws", async () => {
    const ends = twoEnds();
    const call = ends.dial.call("ask", 0);
    await settle();
    ends.dial.foo.held[0]?.reject(new RpcError("not_found", "nobody"));
    await settle();
    expect(call.error?.code).toBe("not_found");
    await expectNothingLeft(ends);
  });
});

describe("the peer that a handler has seen", () => {
  async function kept() {
    const ends = twoEnds({ callTimeoutMs: 5_000 });
    const call = ends.dial.call("hold", 0, { timeoutMs: 100 });
    await settle();
    const [held] = ends.accept.foo.held;
    const { peer } = held?.context ?? {};
    if (peer === undefined) throw new Error("no handler has started");
    held?.resolve("done");
    await settle();
    expect(call.reply).toBe("done");
    return { ends, peer };
  }

  test("can be called when the call is over, with the default time", async () => {
    const { ends, peer } = await kept();
    await ends.clock.advance(1_000);
    expect(peer.isAvailable).toBe(true);
    const promise = peer.call("Foo.hold", "push");
    await settle();
    const [held] = ends.dial.foo.held;
    expect(held?.context.deadlineAt).toBe(ends.clock.now() + 5_000);
    held?.resolve("taken");
    expect(await promise).toBe("taken");
    await expectNothingLeft(ends);
  });

  test("can be told, with a view of its services and with streams", async () => {
    const { ends, peer } = await kept();
    await peer.notify("Foo.echo", "told");
    await settle();
    expect(ends.dial.foo.started).toEqual(["told"]);
    const foo = peer.as<{
      Foo: {
        echo(args: number): number;
        mirror(items: AsyncIterable<unknown>): AsyncIterable<unknown>;
      };
    }>();
    expect(await foo.Foo.echo(3)).toBe(3);
    const feed = new Feed();
    feed.give("a", "b");
    feed.end();
    const reading = new Reading(foo.Foo.mirror(feed.items()));
    await settle();
    expect(reading).toMatchObject({ items: ["a", "b"], end: "done" });
    await expectNothingLeft(ends);
  });

  test("is one object, whatever call it is seen by", async () => {
    const { ends, peer } = await kept();
    ends.dial.call("hold");
    await settle();
    expect(ends.accept.foo.held[1]?.context.peer).toBe(peer);
  });

  test("is not there any more when its connection is gone", async () => {
    const { ends, peer } = await kept();
    ends.dial.session.abort(gone);
    await settle();
    expect(peer.isAvailable).toBe(false);
    const error = await peer.call("Foo.echo").catch((thrown) => thrown);
    expect(error).toMatchObject({ code: "unavailable", sent: false });
    const told = await peer.notify("Foo.echo").catch((thrown) => thrown);
    expect(told).toMatchObject({ code: "unavailable", sent: false });
  });
});

test("calls in both directions at once do not mix, however large they are", async () => {
  const ends = twoEnds({ capacityBytes: 5_000 });
  const bodies = Array.from({ length: 40 }, (_, at) =>
    `${at} `.repeat(at % 7 === 0 ? 40_000 : 10),
  );
  const calls = bodies.flatMap((body) => [
    ends.dial.call("echo", body),
    ends.accept.call("echo", body),
  ]);
  while (!calls.every(({ isOver }) => isOver)) await settle();
  expect(calls.map(({ reply }) => reply)).toEqual(
    bodies.flatMap((body) => [body, body]),
  );
  await expectNothingLeft(ends);
});
