import { describe, expect, test } from "bun:test";
import type { LogLevel } from "../../src/cli/event-line.ts";
import { eventLine, startFailedLine } from "../../src/cli/event-line.ts";
import { hasColours } from "../../src/cli/io.ts";
import { openLog } from "../../src/cli/log.ts";
import { RpcError } from "../../src/errors.ts";
import type { RpcEvent } from "../../src/events.ts";
import { FakeIo } from "../support/fake-io.ts";

const now = () => new Date(0);
const error = new RpcError("unavailable", "gone", { details: { secret: 1 } });
const address = "tcp@a:1";
const registry = "http://r";

/** One of each kind, with the level that it is logged at. */
const events: { event: RpcEvent; level: LogLevel }[] = [
  { event: { kind: "listening", address }, level: "debug" },
  { event: { kind: "peer-refused", peer: address, error }, level: "warn" },
  { event: { kind: "connection-cut", peer: address, error }, level: "warn" },
  {
    event: { kind: "handler-timeout", serviceMethod: "A.b", timeoutMs: 5 },
    level: "warn",
  },
  {
    event: {
      kind: "handler-failed",
      serviceMethod: "A.b",
      error: new Error("x"),
    },
    level: "error",
  },
  { event: { kind: "registered", registry, address }, level: "info" },
  {
    event: { kind: "heartbeat-missed", registry, error, retryInMs: 250.4 },
    level: "warn",
  },
  { event: { kind: "deregistered", registry, address }, level: "info" },
  { event: { kind: "discovery-failed", registry, error }, level: "warn" },
  {
    event: { kind: "list-restored", registry, servers: 3, afterMs: 2_500 },
    level: "info",
  },
  { event: { kind: "server-added", address }, level: "info" },
  {
    event: { kind: "server-removed", address, reason: "expired" },
    level: "info",
  },
  {
    event: { kind: "store-failed", operation: "put", error },
    level: "error",
  },
  {
    event: { kind: "store-damaged", path: "/data/x.damaged", error },
    level: "error",
  },
  {
    event: { kind: "leases-extended", reason: "many", count: 12 },
    level: "warn",
  },
  { event: { kind: "connected", address }, level: "debug" },
  {
    event: {
      kind: "ambiguous-type",
      side: "args",
      serviceMethod: "A.b",
      path: "Avg",
      declaration: "Avg:float64",
    },
    level: "warn",
  },
  { event: { kind: "disconnected", address, error }, level: "info" },
  {
    event: { kind: "dial-failed", address, error, retryInMs: 250.4 },
    level: "warn",
  },
  {
    event: {
      kind: "server-ejected",
      address,
      forMs: 5_000,
      reason: "failure-rate",
    },
    level: "warn",
  },
  { event: { kind: "server-returned", address }, level: "info" },
];

describe.each(events)("$event.kind", ({ event, level }) => {
  test("has its level, one line of text, and its fields", () => {
    const line = eventLine(event);
    expect(line.level).toBe(level);
    expect(line.message.length).toBeGreaterThan(5);
    expect(line.fields).toMatchObject({ event: event.kind });
  });

  test("is one object of JSON, without stack or details", () => {
    const io = new FakeIo();
    openLog(io, { logLevel: "debug", log: "json" }, now).onEvent(event);
    expect(io.stderr.lines).toHaveLength(1);
    const written = JSON.parse(io.stderr.lines[0] as string);
    expect(written).toMatchObject({
      time: "1970-01-01T00:00:00.000Z",
      level,
      event: event.kind,
    });
    expect(io.stderr.text).not.toContain("secret");
    if ("error" in event && event.kind !== "handler-failed") {
      expect(written.error).toEqual({ code: "unavailable", message: "gone" });
    }
  });
});

test("an event that is newer than this program is logged, too", () => {
  const io = new FakeIo();
  const event = { kind: "moon-phase", phase: "full" } as unknown as RpcEvent;
  openLog(io, { logLevel: "info", log: "json" }, now).onEvent(event);
  expect(JSON.parse(io.stderr.text)).toMatchObject({
    level: "warn",
    event: "moon-phase",
    phase: "full",
  });
});

test("levels below the one asked for are left out", () => {
  for (const [logLevel, count] of [
    ["debug", 4],
    ["info", 3],
    ["warn", 2],
    ["error", 1],
  ] as const) {
    const io = new FakeIo();
    const log = openLog(io, { logLevel, log: "text" }, now);
    for (const level of ["debug", "info", "warn", "error"] as const) {
      log.write({ level, message: "told", fields: {} });
    }
    expect(io.stderr.lines).toHaveLength(count);
  }
});

test("text in a pipe has the time, the level and no colours; nothing goes to stdout", () => {
  const io = new FakeIo();
  const log = openLog(io, { logLevel: "info", log: "text" }, now);
  log.onEvent({ kind: "server-added", address });
  expect(io.stderr.text).toMatch(
    /^1970-01-01T00:00:00\.000Z info {2}.*tcp@a:1.*\n$/,
  );
  expect(io.stdout.text).toBe("");
});

test.each([
  { log: "text", isTerminal: true, hasTime: false },
  { log: "json", isTerminal: true, hasTime: true },
  { log: "text", isTerminal: false, hasTime: true },
] as const)(
  "the style for terminals has no time: $log, terminal $isTerminal",
  ({ log, isTerminal, hasTime }) => {
    const io = new FakeIo();
    io.stderr.isTerminal = isTerminal;
    openLog(io, { logLevel: "info", log }, now).onEvent({
      kind: "server-added",
      address,
    });
    expect(io.stderr.text).toContain("tcp@a:1");
    expect(io.stderr.text.includes("1970-01-01")).toBe(hasTime);
  },
);

test("the same line twice is logged twice", () => {
  const io = new FakeIo();
  const log = openLog(io, { logLevel: "info", log: "text" }, now);
  for (let i = 0; i < 20; i++) log.onEvent({ kind: "server-added", address });
  expect(io.stderr.lines).toHaveLength(20);
});

test.each([
  { log: "text", isTerminal: false },
  { log: "text", isTerminal: true },
  { log: "json", isTerminal: false },
  { log: "json", isTerminal: true },
] as const)(
  "a peer's text is harmless: $log, terminal $isTerminal",
  ({ log, isTerminal }) => {
    const io = new FakeIo();
    io.stderr.isTerminal = isTerminal;
    const message = "\u001b[2Jx\r\nFAKE line\u009b\u202e";
    const error = new RpcError("invalid_argument", message);
    openLog(io, { logLevel: "info", log }, now).onEvent({
      kind: "peer-refused",
      peer: "tcp@\u001b[2J",
      error,
    });
    expect(io.stderr.text).not.toMatch(/\u001b\[2J|\r|\u009b|\u202e|\nFAKE/);
    expect(io.stderr.text).toContain("FAKE line");
  },
);

test("a stack shows with --log-level debug only", () => {
  const failed: RpcEvent = {
    kind: "handler-failed",
    serviceMethod: "A.b",
    error: new Error("boom"),
  };
  for (const log of ["text", "json"] as const) {
    for (const [logLevel, isThere] of [
      ["debug", true],
      ["info", false],
    ] as const) {
      const io = new FakeIo();
      openLog(io, { logLevel, log }, now).onEvent(failed);
      expect(io.stderr.text.includes("log.test.ts")).toBe(isThere);
    }
  }
});

test("a start that failed has the stack of what was thrown", () => {
  const cause = new Error("boom");
  const line = startFailedLine(
    new RpcError("failed_precondition", "a.ts: boom", { cause }),
  );
  expect(line).toMatchObject({ level: "error", message: "a.ts: boom" });
  expect(line.stack).toBe(cause.stack as string);
});

test("colours: on a terminal, and not with NO_COLOR", () => {
  const terminal = { isTerminal: true, write() {} };
  const pipe = { isTerminal: false, write() {} };
  expect(hasColours(terminal, {})).toBe(true);
  expect(hasColours(terminal, { NO_COLOR: "" })).toBe(true);
  expect(hasColours(terminal, { NO_COLOR: "1" })).toBe(false);
  expect(hasColours(terminal, { NO_COLOR: "yes" })).toBe(false);
  expect(hasColours(terminal, { TERM: "dumb" })).toBe(false);
  expect(hasColours(pipe, {})).toBe(false);
});

describe("a number that was sent whole and as a fraction", () => {
  const said = (side: "args" | "reply", path: string, declaration: string) =>
    eventLine({
      kind: "ambiguous-type",
      side,
      serviceMethod: "Foo.Avg",
      path,
      declaration,
    }).message;

  test("says how the caller declares an argument", () => {
    expect(said("args", "Items[].Price", "Items:[]{Price:float64}")).toBe(
      `Foo.Avg: Items[].Price was sent whole and as a fraction; declare it: --gob 'Items:[]{Price:float64}' or { gob: parseGobType("Items:[]{Price:float64}") }`,
    );
  });

  test("says how the service declares a reply", () => {
    expect(said("reply", "", "float64")).toBe(
      'Foo.Avg: the value was sent whole and as a fraction; declare it: static rpc = { methods: { Avg: { gob: { reply: parseGobType("float64") } } } }',
    );
  });

  test("is for a shell and for TypeScript, whatever the fields are called", () => {
    const message = said("args", "it's", `"it's":float64`);
    expect(message).toContain(`--gob '"it'\\''s":float64'`);
    expect(message).toContain(`parseGobType("\\"it's\\":float64")`);
  });

  test("is short where the declaration is not", () => {
    const long = "a".repeat(100_000);
    expect(said("reply", long, `${long}:float64`).length).toBeLessThan(500);
  });
});
