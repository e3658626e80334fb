import { expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import type { Told } from "../codec/recorder.ts";
import { settle } from "../support/manual-clock.ts";
import { Feed } from "./feed.ts";
import type { Reading } from "./reading.ts";
import { readStateTables } from "./states.ts";
import { oneEnd, type StartedCall } from "./two-ends.ts";

const table = readStateTables().caller;

/** A dialling end with one call at most, of seq 1, and its raw peer. */
class Caller {
  readonly end;
  readonly peer;
  readonly controller = new AbortController();
  /** Its argument, where that is a stream. */
  readonly source: Feed | undefined;
  call: StartedCall | undefined;
  #reading: Reading | undefined;

  constructor(source: Feed | undefined) {
    const limits = { connectionWindowBytes: 64, streamWindowBytes: 1e6 };
    ({ end: this.end, peer: this.peer } = oneEnd("dial", {
      limits,
      isSilent: true,
    }));
    this.source = source;
    this.peer.say((codec, out) =>
      codec.writeSettings(out, {
        protocol: 1,
        maxMessageBytes: 4_194_304,
        // One item at a time.
        streamWindowBytes: 1,
      }),
    );
  }

  begin(): void {
    const { signal } = this.controller;
    this.call = this.end.call("hold", this.source?.items(), { signal });
  }

  /** Its reply, which is a stream, being read from now on. */
  get reading(): Reading | undefined {
    this.#reading ??= this.call?.read();
    return this.#reading;
  }

  /** What is heard besides credit, which only says that items were given back or read. */
  async heard(): Promise<Told[]> {
    const heard = await this.peer.heard();
    return heard.filter(({ kind }) => kind !== "credit");
  }
}

const frames: Record<string, (caller: Caller) => void> = {
  response: ({ peer }) =>
    peer.say((codec, out) => codec.writeResponse(out, 1, "", "reply")),
  "response+stream": ({ peer }) =>
    peer.say(({ session }, out) => session?.writeStreamed(out, 1)),
  item: ({ peer }) =>
    peer.say(({ session }, out) => session?.writeItem(out, 1, true, "item")),
  end: ({ peer }) =>
    peer.say(({ session }, out) => session?.writeEnd(out, 1, true)),
  credit: ({ peer }) =>
    peer.say(({ session }, out) => session?.writeCredit(out, 1, true, 64)),
  error: ({ peer }) =>
    peer.say((codec, out) =>
      codec.writeError(out, 1, "", new RpcError("not_found", "no")),
    ),
};

/** Those after which the peer has answered, as far as it knows. */
const answers = new Set(["response", "response+stream", "error"]);

type Reach = (caller: Caller) => unknown;

async function stream(caller: Caller): Promise<void> {
  caller.begin();
  await settle();
  frames["response+stream"]?.(caller);
  await settle();
}

/** The ways into each state. */
const ways: Record<string, Record<string, Reach>> = {
  absent: {
    "without a call": () => {},
    "once it was answered": (caller) => {
      caller.begin();
      frames["response"]?.(caller);
    },
    "once it has failed": (caller) => {
      caller.begin();
      frames["error"]?.(caller);
    },
    "once its stream has ended": async (caller) => {
      await stream(caller);
      frames["end"]?.(caller);
    },
    "once it was cancelled": async (caller) => {
      caller.begin();
      await settle();
      caller.controller.abort();
    },
    "once its reader has left": async (caller) => {
      await stream(caller);
      const items = caller.call?.reply as AsyncIterator<unknown>;
      await items.return?.();
    },
  },
  waiting: { "": (caller) => caller.begin() },
  streaming: {
    "": stream,
    "after an item": async (caller) => {
      await stream(caller);
      frames["item"]?.(caller);
      await settle();
      await (caller.call?.reply as AsyncIterator<unknown>).next();
    },
  },
};

/** How a state shows itself. */
const proofs: Record<string, (caller: Caller) => Promise<void>> = {
  async absent(caller) {
    const { end, call, source } = caller;
    const { lateReplies } = end.session;
    expect(end.session.inFlightCount).toBe(0);
    frames["response"]?.(caller);
    expect(await caller.heard()).toEqual([]);
    expect(end.session.lateReplies).toBe(lateReplies + 1);
    if (call === undefined) return;
    expect(call.outcomes).toHaveLength(1);
    source?.give("too late", "too late");
    expect(await caller.heard()).toEqual([]);
    expect(source?.ends ?? 1).toBe(1);
  },
  async waiting(caller) {
    const { call } = caller;
    expect(call?.isOver).toBe(false);
    await proveArgument(caller);
    frames["response"]?.(caller);
    await settle();
    expect(call?.outcomes).toEqual([{ reply: "reply" }]);
  },
  async streaming(caller) {
    const { call } = caller;
    expect(call?.outcomes).toHaveLength(1);
    await proveArgument(caller);
    const { reading } = caller;
    frames["item"]?.(caller);
    await settle();
    expect(reading?.items.at(-1)).toBe("item");
    expect(reading?.end).toBe(undefined);
    frames["end"]?.(caller);
    await settle();
    expect(reading?.end).toBe("done");
    expect(call?.outcomes).toHaveLength(1);
  },
};

/** The argument goes on as it is granted, where it is a stream. */
async function proveArgument(caller: Caller): Promise<void> {
  caller.source?.give("a", "b");
  frames["credit"]?.(caller);
  frames["credit"]?.(caller);
  const items = caller.source === undefined ? [] : ["a", "b"];
  expect(await caller.heard()).toMatchObject(
    items.map((item) => ({ kind: "item", seq: 1, isAnswer: false, item })),
  );
}

/** What the caller does at once with a frame of which the cell says so; returns the state behind it. */
async function look(
  caller: Caller,
  state: string,
  frame: string,
  cell: string,
): Promise<string> {
  const { call } = caller;
  const reading = state === "streaming" ? caller.reading : undefined;
  const all = await caller.peer.heard();
  const heard = all.filter(({ kind }) => kind !== "credit");
  if (cell === "fails") {
    expect(heard).toEqual([{ kind: "cancel", seq: 1 }]);
    expect(reading?.code ?? call?.error?.code).toBe("internal");
    return "absent";
  }
  expect(heard).toEqual([]);
  if (cell === "dropped") {
    expect(all).toMatchObject(
      frame === "item" ? [{ kind: "credit", seq: 0, bytes: 64 }] : [],
    );
    return state;
  }
  if (cell === "absent") {
    if (frame === "response") expect(call?.reply).toBe("reply");
    else if (frame === "end") expect(reading?.end).toBe("done");
    else expect(reading?.code ?? call?.error?.code).toBe("not_found");
  }
  return cell;
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
        for (const source of [undefined, new Feed()]) {
          const caller = new Caller(source);
          await caller.peer.heard();
          await reach(caller);
          await caller.peer.heard();
          const { lateReplies } = caller.end.session;
          frames[frame]?.(caller);
          const next = await look(caller, state, frame, cell);
          const isLate = cell === "dropped" && answers.has(frame);
          expect(caller.end.session.lateReplies - lateReplies).toBe(
            isLate ? 1 : 0,
          );
          await proofs[next]?.(caller);
          // The connection stays.
          const { end, peer } = caller;
          const on = end.call("echo");
          const seq = on.pending.seq;
          peer.say((codec, out) => codec.writeResponse(out, seq, "", "on"));
          await settle();
          expect(on.reply).toBe("on");
          expect(end.events).toEqual([]);
        }
      }
    });
  }
}
