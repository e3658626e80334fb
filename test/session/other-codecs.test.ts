import { expect, test } from "bun:test";
import { gobCodecType, jsonCodecType } from "../../src/codec/table.ts";
import type { Code } from "../../src/errors.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import { expectNothingLeft, twoEnds } from "./two-ends.ts";

const codecs = [jsonCodecType, gobCodecType, "gorpc", "jsonrpc"];

/** How `unimplemented` arrives: net/rpc says no codes. */
function codeFromAfar(codec: string): Code {
  return codec === "gorpc" ? "unknown" : "unimplemented";
}

/** Two ends that ping each other often, where they can. */
function pinging(codec: string) {
  const keepAlive = { busyMs: 1_000, idleMs: 1_000, timeoutMs: 1_000 };
  return twoEnds({ codec, keepAlive });
}

test.each(codecs)(
  "%s: ordinary calls go on beside all that it lacks",
  async (codec) => {
    const ends = pinging(codec);
    const { dial, accept } = ends;
    const call = dial.call("hold", 1);
    const feed = new Feed();
    let returns = 0;
    const source = feed.items();
    source.return = async () => ({ done: true, value: void returns++ });
    const refused = [
      dial.call("echo", 1, { metadata: new Map([["key", "value"]]) }),
      dial.call("collect", source),
      dial.call("count", 3),
    ];
    await settle();
    expect(refused.map(({ error }) => error?.code)).toEqual([
      "unimplemented",
      "unimplemented",
      codeFromAfar(codec),
    ]);
    // Neither source was asked, and nothing but the stream's handler has run.
    expect(feed.pulls).toBe(0);
    expect(returns).toBe(1);
    expect(accept.foo.started).toEqual([1]);
    accept.foo.held[0]?.context.responseMetadata.set("key", "dropped");
    accept.foo.held[0]?.resolve(2);
    const after = dial.call("echo", 3);
    await settle();
    expect(call.reply).toBe(2);
    expect(after.reply).toBe(3);
    await expectNothingLeft(ends);
  },
);

test.each(codecs)(
  "%s: a handler cannot call its caller, who takes nothing for an answer",
  async (codec) => {
    const ends = pinging(codec);
    const { dial, accept } = ends;
    // Would be answered by the request, if that were sent: both have seq 1.
    const call = dial.call("hold", 1);
    await settle();
    const [held] = accept.foo.held;
    const { peer } = held?.context ?? {};
    expect(peer?.isAvailable).toBe(false);
    const errors = await Promise.all([
      peer?.call("Foo.echo", 1).catch((thrown: unknown) => thrown),
      peer?.notify("Foo.echo", 1).catch((thrown: unknown) => thrown),
    ]);
    for (const error of errors) {
      expect(error).toMatchObject({ code: "unimplemented", sent: false });
    }
    await settle();
    expect(call.isOver).toBe(false);
    const asking = dial.call("ask", 5);
    held?.resolve(2);
    await settle();
    expect(call.reply).toBe(2);
    expect(asking.error?.code).toBe(codeFromAfar(codec));
    expect(dial.session.isAvailable).toBe(true);
    await expectNothingLeft(ends);
  },
);

test.each(codecs)(
  "%s: nobody is pinged, however long it is silent",
  async (codec) => {
    const { clock, dial, accept } = pinging(codec);
    const call = dial.call("hold", 1);
    await clock.advance(1e6);
    accept.foo.held[0]?.resolve(2);
    await settle();
    expect(call.reply).toBe(2);
    expect([...dial.events, ...accept.events]).toEqual([]);
  },
);
