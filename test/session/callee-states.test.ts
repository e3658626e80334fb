import { describe, expect, test } from "bun:test";
import type { Told } from "../codec/recorder.ts";
import { settle } from "../support/manual-clock.ts";
import { Reading } from "./reading.ts";
import { readStateTables } from "./states.ts";
import { headOf, oneEnd, type RawPeer } from "./two-ends.ts";

const table = readStateTables().callee;

/** An accepting end that gives back each item at once, and its raw peer. */
class Callee {
  readonly end;
  readonly peer: RawPeer;
  readonly clock;

  constructor() {
    const limits = { connectionWindowBytes: 64, streamWindowBytes: 1e6 };
    ({
      end: this.end,
      peer: this.peer,
      clock: this.clock,
    } = oneEnd("accept", {
      limits,
    }));
  }

  request(method: string, isStream: boolean): void {
    this.peer.say((codec, out) =>
      codec.writeRequest(out, { ...headOf(1, method), isStream }, undefined),
    );
  }

  /** What is heard besides credit, which only says that items were given back or read. */
  async heard(): Promise<Told[]> {
    const heard = await this.peer.heard();
    return heard.filter(({ kind }) => kind !== "credit");
  }

  /** Every handler goes on to its end. */
  async settleHandlers(): Promise<void> {
    const { held, feeds } = this.end.foo;
    for (const { resolve } of held) resolve("settled");
    for (const feed of feeds) feed.cut();
    await settle();
  }

  /** The context of the handler that was started last. */
  get context() {
    const { held, feeds } = this.end.foo;
    return (held.at(-1) ?? feeds.at(-1))?.context;
  }

  /** Its argument. */
  get argument(): AsyncIterableIterator<unknown> {
    const { held, feeds } = this.end.foo;
    return (held.at(-1) ?? feeds.at(-1))
      ?.args as AsyncIterableIterator<unknown>;
  }
}

const frames: Record<string, (callee: Callee) => void> = {
  request: (callee) => callee.request("hold", false),
  "request+stream": (callee) => callee.request("hold", true),
  item: ({ peer }) =>
    peer.say(({ session }, out) => session?.writeItem(out, 1, false, "item")),
  end: ({ peer }) =>
    peer.say(({ session }, out) => session?.writeEnd(out, 1, false)),
  credit: ({ peer }) =>
    peer.say(({ session }, out) => session?.writeCredit(out, 1, false, 10)),
  cancel: ({ peer }) => peer.say((codec, out) => codec.writeCancel(out, 1)),
};

type Reach = (callee: Callee) => unknown;

/** The ways into each state. */
const ways: Record<string, Record<string, Reach>> = {
  absent: {
    "before its request": () => {},
    "once it was answered": (callee) => callee.request("echo", false),
    "once its reply has ended": async (callee) => {
      callee.request("feed", false);
      await settle();
      callee.end.foo.feeds.pop()?.end();
    },
    "once it was answered, its argument open": async (callee) => {
      callee.request("hold", true);
      await settle();
      callee.end.foo.held.pop()?.resolve("done");
    },
    "once it was cancelled": async (callee) => {
      callee.request("feed", true);
      await settle();
      frames["cancel"]?.(callee);
      await settle();
      callee.end.foo.feeds.pop();
    },
    "once it has failed": (callee) => callee.request("nope", true),
  },
  "argument open": {
    "of a call": (callee) => callee.request("hold", true),
    "of a call whose reply streams": (callee) => callee.request("feed", true),
    "after an item": async (callee) => {
      callee.request("hold", true);
      frames["item"]?.(callee);
      await settle();
      await callee.argument.next();
    },
  },
  "argument closed": {
    "of a lone value": (callee) => callee.request("hold", false),
    "of a lone value, with a reply that streams": (callee) =>
      callee.request("feed", false),
    "at its end": (callee) => {
      callee.request("hold", true);
      frames["end"]?.(callee);
    },
    "at its end, with a reply that streams": (callee) => {
      callee.request("feed", true);
      frames["end"]?.(callee);
    },
  },
};

/** How a state shows itself; each on a connection of its own. */
const proofs: Record<string, ((callee: Callee) => Promise<void>)[]> = {
  absent: [
    async (callee) => {
      await callee.settleHandlers();
      expect(await callee.heard()).toEqual([]);
      const startedCount = callee.end.foo.started.length;
      callee.request("echo", false);
      expect(await callee.heard()).toMatchObject([
        { kind: "response", seq: 1 },
      ]);
      expect(callee.end.foo.started).toHaveLength(startedCount + 1);
    },
    async (callee) => {
      await callee.settleHandlers();
      for (const frame of ["item", "end", "cancel"]) frames[frame]?.(callee);
      expect(await callee.peer.heard()).toMatchObject([
        { kind: "credit", seq: 0, bytes: 64 },
      ]);
    },
  ],
  "argument open": [
    async (callee) => {
      const reading = new Reading(callee.argument);
      frames["item"]?.(callee);
      await settle();
      expect(reading).toMatchObject({ end: undefined });
      expect(reading.items.at(-1)).toBe("item");
      frames["end"]?.(callee);
      await settle();
      expect(reading.end).toBe("done");
      expect(await callee.heard()).toEqual([]);
      expect(callee.context?.signal.aborted).toBe(false);
    },
    (callee) => proveAnswered(callee),
  ],
  "argument closed": [
    (callee) => proveAnswered(callee),
    async (callee) => {
      frames["item"]?.(callee);
      expect(await callee.heard()).toMatchObject([{ kind: "error", seq: 1 }]);
      const reading = new Reading(callee.argument ?? []);
      await settle();
      expect(reading.items).not.toContain("item");
    },
  ],
};

/** The call is running: its handler answers it, once. */
async function proveAnswered(callee: Callee): Promise<void> {
  expect(callee.context?.signal.aborted).toBe(false);
  const isStream = callee.end.foo.feeds.length > 0;
  await callee.settleHandlers();
  expect(await callee.heard()).toMatchObject([
    { kind: isStream ? "halfClose" : "response", seq: 1 },
  ]);
}

/** What the callee does at once with a frame of which the cell says so; returns the state behind it. */
async function look(
  callee: Callee,
  state: string,
  frame: string,
  cell: string,
): Promise<string> {
  const all = await callee.peer.heard();
  const heard = all.filter(({ kind }) => kind !== "credit");
  switch (cell) {
    case "dropped":
      expect(heard).toEqual([]);
      expect(all).toMatchObject(
        frame === "item" ? [{ kind: "credit", seq: 0, bytes: 64 }] : [],
      );
      return state;
    case "fails":
      expect(heard).toMatchObject([
        { kind: "error", seq: 1, code: "internal", error: { sent: true } },
      ]);
      expect(callee.context?.signal.aborted).toBe(true);
      return "absent";
    default:
      expect(heard).toEqual([]);
      if (cell === "absent") {
        expect(callee.context?.signal.aborted).toBe(true);
      }
      return cell;
  }
}

test("the states and the frames are those of the table", () => {
  expect([...table.keys()]).toEqual(Object.keys(ways));
  for (const row of table.values()) {
    expect([...row.keys()]).toEqual(Object.keys(frames));
  }
});

for (const [state, row] of table) {
  for (const [frame, cell] of row) {
    test(`${state}: ${frame} → ${cell}`, async () => {
      for (const reach of Object.values(ways[state] ?? {})) {
        const nextStates = Object.keys(proofs).includes(cell)
          ? proofs[cell]
          : proofs["absent"];
        for (const prove of nextStates ?? []) {
          const callee = new Callee();
          await callee.peer.heard();
          await reach(callee);
          await callee.peer.heard();
          frames[frame]?.(callee);
          const next = await look(callee, state, frame, cell);
          expect(proofs[next]).toContain(prove);
          await prove(callee);
          // The connection stays, and what runs on it can end.
          callee.peer.request(2, "echo", "on");
          const heard = await callee.heard();
          expect(heard.at(-1)).toMatchObject({ seq: 2, reply: "on" });
          await callee.settleHandlers();
          expect(callee.end.runningCount).toBe(0);
          expect(callee.end.events).toEqual([]);
        }
      }
    });
  }
}

describe.each(["item", "end"] as const)(
  "an %s that does not belong to the argument fails its call behind the request in one chunk, too",
  (frame) => {
    function sayBoth(peer: RawPeer, oneWay: boolean): void {
      peer.say((codec, out) => {
        codec.writeRequest(out, { ...headOf(1, "hold"), oneWay }, "value");
        codec.writeRequest(out, headOf(2, "echo"), "on");
        if (frame === "item") codec.session?.writeItem(out, 1, false, "item");
        else codec.session?.writeEnd(out, 1, false);
      });
    }

    test("where an answer is wanted", async () => {
      const { end, peer } = oneEnd("accept");
      await peer.heard();
      sayBoth(peer, false);
      expect(await peer.heard()).toMatchObject([
        { kind: "error", seq: 1, code: "internal", error: { sent: true } },
        { kind: "response", seq: 2 },
      ]);
      expect(end.foo.started).toEqual(["on"]);
    });

    test("where none is", async () => {
      const { end, peer } = oneEnd("accept");
      await peer.heard();
      sayBoth(peer, true);
      expect(await peer.heard()).toMatchObject([{ kind: "response", seq: 2 }]);
      expect(end.foo.started).toEqual(["on"]);
    });
  },
);

test("a cancel of a seq that was never requested leaves a later request alone", async () => {
  const { peer } = oneEnd("accept");
  await peer.heard();
  peer.say((codec, out) => {
    codec.writeRequest(out, headOf(1, "echo"), "a");
    codec.writeCancel(out, 2);
    codec.writeRequest(out, headOf(2, "echo"), "b");
  });
  expect(await peer.heard()).toMatchObject([
    { seq: 1 },
    { seq: 2, reply: "b" },
  ]);
});

describe("credit that comes before the reply has begun", () => {
  /** What is heard of a stream of 10 items with a window of one. */
  async function itemsHeard(say: (peer: RawPeer) => void): Promise<number> {
    const { peer } = oneEnd("accept", {
      peerWindows: { streamWindowBytes: 64, connectionWindowBytes: 1e6 },
    });
    await peer.heard();
    say(peer);
    const heard = await peer.heard();
    return heard.filter(({ kind }) => kind === "item").length;
  }

  test("is kept", async () => {
    const items = await itemsHeard((peer) =>
      peer.say((codec, out) => {
        codec.writeRequest(out, headOf(1, "count"), 10);
        codec.session?.writeCredit(out, 1, false, 64);
        codec.session?.writeCredit(out, 1, false, 64);
      }),
    );
    expect(items).toBe(3);
  });

  test("is not where the call was never requested", async () => {
    const items = await itemsHeard((peer) =>
      peer.say((codec, out) => {
        codec.session?.writeCredit(out, 1, false, 64);
        codec.writeRequest(out, headOf(1, "count"), 10);
      }),
    );
    expect(items).toBe(1);
  });

  test("is not where no answer is wanted", async () => {
    const items = await itemsHeard((peer) => {
      peer.say((codec, out) => {
        codec.writeRequest(out, { ...headOf(1, "echo"), oneWay: true }, 1);
        codec.session?.writeCredit(out, 1, false, 64);
      });
      peer.request(1, "count", 10);
    });
    expect(items).toBe(1);
  });

  test("is not once the call is over", async () => {
    const items = await itemsHeard((peer) => {
      peer.say((codec, out) => {
        codec.writeRequest(out, headOf(1, "echo"), 1);
        codec.session?.writeCredit(out, 1, false, 64);
      });
      peer.request(1, "count", 10);
    });
    expect(items).toBe(1);
  });
});
