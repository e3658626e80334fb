import { beforeEach, describe, expect, test } from "bun:test";
import { jsonRpcCodec } from "../../../src/codec/jsonrpc/jsonrpc.ts";
import type { RpcError } from "../../../src/errors.ts";
import { Services } from "../../../src/service/services.ts";
import { PendingCall } from "../../../src/session/pending-call.ts";
import { Session } from "../../../src/session/session.ts";
import { memoryPipe } from "../../../src/transport/memory.ts";
import type { Pipe } from "../../../src/transport/pipe.ts";
import { defaultLimits } from "../../../src/wire/limits.ts";
import { ManualClock, settle } from "../../support/manual-clock.ts";
import { PipeEar } from "../../support/pipe-ear.ts";

let slow: PromiseWithResolvers<unknown>;
let noticed: unknown[];

function sessionOver(pipe: Pipe, role: "dial" | "accept"): Session {
  const services = new Services();
  const foo = {
    echo: (args: unknown) => args,
    notice: (args: unknown) => void noticed.push(args),
    slow: () => slow.promise,
    map: () => new Map(),
    fail() {
      throw new Error("boom");
    },
  };
  services.register(foo, "Foo");
  const session = new Session(pipe, {
    role,
    codec: jsonRpcCodec({ role, limits: defaultLimits, bodies: [] }),
    services,
    limits: defaultLimits,
    clock: new ManualClock(),
    handleTimeoutMs: 0,
    callTimeoutMs: 0,
    keepAlive: { busyMs: 0, idleMs: 0, timeoutMs: 0 },
    interceptors: [],
    onEvent: () => {},
    onClose: () => {},
  });
  session.open();
  return session;
}

let near: Pipe;
let far: Pipe;
beforeEach(() => {
  [near, far] = memoryPipe();
  slow = Promise.withResolvers();
  noticed = [];
});

describe("a session that serves", () => {
  let ear: PipeEar;
  let session: Session;
  beforeEach(() => {
    session = sessionOver(far, "accept");
    ear = new PipeEar();
    near.attach(ear);
  });

  const say = async (text: string) => {
    near.write(Buffer.from(text));
    await settle();
  };
  const heard = () => {
    const lines = ear.bytes.toString().trimEnd().split("\n");
    ear.chunks.length = 0;
    return lines.map((line) => (line === "" ? undefined : JSON.parse(line)));
  };

  test("answers a batch when its slowest call is done, others before it", async () => {
    const call = (method: string, id: number) =>
      `{"jsonrpc":"2.0","method":"Foo.${method}","params":[${id}],"id":${id}}`;
    await say(
      `[${call("slow", 1)},${call("echo", 2)},${call("none", 3)},` +
        `{"jsonrpc":"2.0","method":"Foo.notice","params":[4]},7,${call("map", 5)}]${call("echo", 6)}`,
    );
    expect(heard()).toEqual([{ jsonrpc: "2.0", id: 6, result: 6 }]);
    expect(noticed).toEqual([4]);
    slow.resolve("at last");
    await settle();
    const [answers] = heard();
    expect(
      answers.map((one: any) => [one.id, one.result, one.error?.code]),
    ).toEqual([
      [null, undefined, -32600],
      [2, 2, undefined],
      [3, undefined, -32601],
      [5, undefined, -32603],
      [1, "at last", undefined],
    ]);
  });

  test("drains a batch: what is refused is among its answers", async () => {
    await say(`[{"jsonrpc":"2.0","method":"Foo.slow","id":1}]`);
    const finished = session.finish();
    await say(`[{"jsonrpc":"2.0","method":"Foo.echo","id":2}]`);
    expect(heard()).toMatchObject([
      [{ id: 2, error: { data: { code: "unavailable" } } }],
    ]);
    slow.resolve(1);
    await settle();
    expect(heard()).toMatchObject([[{ id: 1, result: 1 }]]);
    near.shutdown();
    await finished;
  });

  test("tells of broken framing, behind the answers, and closes", async () => {
    await say(`{"jsonrpc":"2.0","method":"Foo.echo","params":[1],"id":1} oops`);
    expect(heard()).toMatchObject([
      { id: 1, result: 1 },
      { id: null, error: { code: -32700 } },
    ]);
    expect(ear.ends).toBe(1);
  });
});

test("two sessions call, fail and notify", async () => {
  sessionOver(far, "accept");
  const dialling = sessionOver(near, "dial");
  await dialling.accepted;
  const call = (method: string, args: unknown) =>
    new Promise<unknown>((resolve) => {
      const outcome = {
        succeeded: resolve,
        failed: ({ code }: RpcError) => resolve(code),
      };
      dialling.start(
        new PendingCall(
          `Foo.${method}`,
          args,
          outcome,
          0,
          undefined,
          undefined,
        ),
      );
    });
  dialling.notify("Foo.notice", { a: 1 });
  dialling.notify("Foo.fail", 1);
  const outcomes = await Promise.all([
    call("echo", { n: [1, "é"] }),
    call("fail", 1),
    call("none", 1),
    call("echo", new Map()),
    call("map", 1),
    call("notice", 2),
  ]);
  expect(outcomes).toEqual([
    { n: [1, "é"] },
    "unknown",
    "unimplemented",
    "invalid_argument",
    "internal",
    {},
  ]);
  expect(noticed).toEqual([{ a: 1 }, 2]);
  expect(dialling.lateReplies).toBe(0);
});
