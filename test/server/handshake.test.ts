import { describe, expect, test } from "bun:test";
import { defaultLimits } from "../../src/wire/limits.ts";
import { settle } from "../support/manual-clock.ts";
import { testRandom } from "../support/seed.ts";
import {
  binaryOption,
  jsonOption,
  jsonRequest,
  option,
  type Peer,
  setUp,
} from "./set-up.ts";

const sum = jsonRequest("Arith.sum", 1, { a: 1, b: 2 });
const { maxOptionBytes, handshakeTimeoutMs } = defaultLimits;

/** The reply to `sum`, whatever came before it in lines. */
async function expectSum(peer: Peer): Promise<void> {
  const [header = "", body] = await peer.lines(2);
  expect(JSON.parse(header)).toMatchObject({ Seq: 1, Error: "" });
  expect(body).toBe("3");
}

/** Kind and seq of a binary frame, and the code of an error. */
function frameOf(bytes: Buffer): { kind: number; code: number; seq: number } {
  return {
    kind: bytes.readUInt8(0),
    code: bytes.readUInt8(3),
    seq: Number(bytes.readBigUInt64LE(8)),
  };
}

/** The peer goes, and the server keeps nothing of it. */
async function expectGone(
  peer: Peer,
  { server, clock }: Pick<ReturnType<typeof setUp>, "server" | "clock">,
): Promise<void> {
  await peer.closed();
  expect(server.connectionCount).toBe(0);
  expect(clock.timers).toBe(0);
}

describe("an Option", () => {
  test("is answered by the settings, on a binary connection", async () => {
    const { connect } = setUp();
    const peer = connect();
    peer.send(binaryOption);
    await peer.ear.until(() => peer.ear.byteCount >= 16);
    expect(frameOf(peer.ear.bytes).kind).toBe(1);
  });

  test("may come byte by byte, and the request behind it, too", async () => {
    const { connect } = setUp();
    const peer = connect();
    peer.drip(`${jsonOption}\n${sum}`);
    await expectSum(peer);
  });

  test.each([
    ["with an LF", `${jsonOption}\n${sum}`],
    ["without one", jsonOption + sum],
  ])("keeps what stands behind it in one segment, %s", async (_, bytes) => {
    const { connect } = setUp();
    const peer = connect();
    peer.send(bytes);
    await expectSum(peer);
  });

  test("is found also where it came before anybody listened", async () => {
    const { connect } = setUp();
    await expectSum(connect(jsonOption + sum));
  });

  test(`of ${maxOptionBytes} bytes is taken`, async () => {
    const { connect } = setUp();
    const peer = connect();
    peer.send(jsonOption.slice(0, -1).padEnd(maxOptionBytes - 1), "}", sum);
    await expectSum(peer);
  });

  test("with a byte more is refused", async () => {
    const all = setUp();
    const peer = all.connect();
    peer.send(jsonOption.slice(0, -1).padEnd(maxOptionBytes), "}");
    expect(await peer.refusal()).toBe("resource_exhausted");
    await expectGone(peer, all);
    expect(all.refusals()).toEqual(["resource_exhausted"]);
  });

  test("of 1 MB is refused, in one line however much follows", async () => {
    const all = setUp();
    const peer = all.connect();
    for (let sent = 0; sent < 16; sent++) {
      peer.send("{".padEnd(65_536));
      await settle();
    }
    expect(await peer.refusal()).toBe("resource_exhausted");
    expect(peer.text.split("\n")).toHaveLength(2);
    await expectGone(peer, all);
  });

  test("has its time, and no more", async () => {
    const all = setUp();
    const peer = all.connect();
    peer.send(jsonOption.slice(0, 20));
    await all.clock.advance(handshakeTimeoutMs - 1);
    expect(peer.text).toBe("");
    await all.clock.advance(1);
    expect(await peer.refusal()).toBe("deadline_exceeded");
    await expectGone(peer, all);
  });

  test("that came leaves no timer to refuse it later", async () => {
    const { connect, clock, refusals } = setUp();
    const peer = connect();
    peer.send(jsonOption);
    await settle();
    expect(clock.timers).toBe(0);
    await clock.advance(handshakeTimeoutMs);
    peer.send(sum);
    await expectSum(peer);
    expect(refusals()).toEqual([]);
  });

  test("of a peer that says nothing is not waited for", async () => {
    const all = setUp();
    const peer = all.connect();
    await all.clock.advance(handshakeTimeoutMs);
    expect(await peer.refusal()).toBe("deadline_exceeded");
    await expectGone(peer, all);
  });

  test("that breaks off is answered", async () => {
    const all = setUp();
    const peer = all.connect();
    peer.send(jsonOption.slice(0, -1));
    peer.pipe.shutdown();
    expect(await peer.refusal()).toBe("invalid_argument");
    await peer.closed();
    expect(all.server.connectionCount).toBe(0);
    expect(all.clock.timers).toBe(0);
  });

  test("is not asked of a peer that goes without a word", async () => {
    const all = setUp();
    const peer = all.connect();
    peer.pipe.shutdown();
    await peer.closed();
    expect(peer.text).toBe("");
    expect(all.refusals()).toEqual([]);
    expect(all.server.connectionCount).toBe(0);
    expect(all.clock.timers).toBe(0);
  });

  test("may be cut by a reset", async () => {
    const all = setUp();
    const peer = all.connect();
    peer.send(jsonOption.slice(0, 9));
    await settle();
    peer.pipe.abort();
    await settle();
    expect(all.server.connectionCount).toBe(0);
    expect(all.clock.timers).toBe(0);
  });
});

describe("an Option that is refused is answered", () => {
  test("in JSON, where JSON was asked for", async () => {
    const all = setUp();
    const peer = all.connect();
    peer.send(option({ MagicNumber: 1 }), sum);
    const [header = "", body] = await peer.lines(2);
    expect(JSON.parse(header)).toMatchObject({
      Seq: 0,
      Code: "invalid_argument",
    });
    expect(body).toBe("{}");
    await expectGone(peer, all);
    expect(all.refusals()).toEqual(["invalid_argument"]);
  });

  test.each([
    ["a wrong magic number", { MagicNumber: 1 }, 3],
    ["a timeout that is none", { HandleTimeout: -1 }, 3],
    ["a body encoding that is not here", { Bodies: ["nobody's"] }, 12],
  ])("in a frame, where frames were asked for: %s", async (_, fields, code) => {
    const all = setUp();
    const peer = all.connect();
    peer.send(option({ CodecType: "application/x-geerpc", ...fields }));
    await peer.ended();
    expect(frameOf(peer.ear.bytes)).toEqual({ kind: 4, code, seq: 0 });
    await expectGone(peer, all);
    expect(all.refusals()).toHaveLength(1);
  });

  test.each([
    ["an unknown codec", option({ CodecType: "x/none" }), "unimplemented"],
    ["no codec", option({ CodecType: undefined }), "unimplemented"],
    ["broken JSON", "{MagicNumber: 1}", "invalid_argument"],
    ["a stranger's JSON", '{"hello":"a"}', "invalid_argument"],
    [
      "both wrong",
      option({ CodecType: "x/none", MagicNumber: 1 }),
      "invalid_argument",
    ],
  ])("by one line otherwise: %s", async (_, bytes, code) => {
    const all = setUp();
    const peer = all.connect();
    peer.send(bytes);
    expect(await peer.refusal()).toBe(code);
    expect(peer.text.split("\n")).toHaveLength(2);
    await expectGone(peer, all);
    expect(all.refusals()).toEqual([code as never]);
  });
});

describe("CONNECT", () => {
  const answer = "HTTP/1.0 200 Connected to Gee RPC\n\n";
  const heads = ["/_geerpc_", "/_geeprc_"].flatMap((path) => [
    `CONNECT ${path} HTTP/1.0\n\n`,
    `CONNECT ${path} HTTP/1.0\r\n\r\n`,
    `CONNECT ${path} HTTP/1.1\r\nHost: a:1\r\n\r\n`,
    `CONNECT ${path} HTTP/1.1\nHost: a:1\nX-Long: ${"y".repeat(4000)}\n\n`,
  ]);

  test.each(heads.map((head) => [head.slice(0, 40), head]))(
    "%j leads to an Option",
    async (_, head) => {
      const { connect } = setUp();
      const peer = connect();
      peer.send(head);
      await peer.lines(2);
      expect(peer.text).toBe(answer);
      peer.send(jsonOption, sum);
      expect((await peer.lines(4))[3]).toBe("3");
    },
  );

  test("keeps the bytes that stand behind its head", async () => {
    const { connect } = setUp();
    const peer = connect();
    peer.send(heads[0] as string, jsonOption, sum);
    expect((await peer.lines(4))[3]).toBe("3");
    expect(peer.text.startsWith(answer)).toBe(true);
  });

  test("may come byte by byte", async () => {
    const { connect } = setUp();
    const peer = connect();
    peer.drip(heads[2] + jsonOption + sum);
    expect((await peer.lines(4))[3]).toBe("3");
  });

  test.each([
    ["another path", "CONNECT example.com:443 HTTP/1.1\r\n\r\n", 404],
    ["no path", "CONNECT  HTTP/1.1\r\n\r\n", 400],
    ["no version", "CONNECT /_geerpc_\r\n\r\n", 400],
    ["a later version", "CONNECT /_geerpc_ HTTP/2.0\r\n\r\n", 400],
    [
      "a head of 8 KiB",
      `CONNECT /_geerpc_ HTTP/1.1\r\nX: ${"y".repeat(8192)}`,
      431,
    ],
    [
      "a longer head in one piece",
      `CONNECT /_geerpc_ HTTP/1.1\r\nX: ${"y".repeat(9000)}\r\n\r\n`,
      431,
    ],
    [
      "another long head",
      `GET / HTTP/1.1\r\nX: ${"y".repeat(20_000)}\r\n\r\n`,
      431,
    ],
  ])("is refused in HTTP: %s", async (_, head, status) => {
    const all = setUp();
    const peer = all.connect();
    peer.send(head);
    await peer.ended();
    expect(peer.text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} .+\r\n`));
    expect(peer.text).toMatch(/\r\nConnection: close\r\n/);
    await expectGone(peer, all);
    expect(all.refusals()).toHaveLength(1);
  });

  test.each(["CONNECT /_geerpc_ HTTP/1.1\r\nHost:", "GET / HTTP/1.1\r\nA: b"])(
    "%j without its end is not waited for",
    async (head) => {
      const all = setUp();
      const peer = all.connect();
      peer.drip(head);
      await all.clock.advance(handshakeTimeoutMs);
      await peer.ended();
      expect(peer.text).toMatch(/^HTTP\/1\.1 408 /);
      await expectGone(peer, all);
    },
  );

  test("shares its time with the Option", async () => {
    const all = setUp();
    const peer = all.connect();
    await all.clock.advance(handshakeTimeoutMs - 1);
    peer.send(heads[0] as string);
    await all.clock.advance(1);
    await peer.ended();
    expect(peer.text).toContain("deadline_exceeded");
    await expectGone(peer, all);
  });

  test.each(["GET / HTTP/1.1\r\n\r\n", "CONNECT /_geerpc_ HTTP/1.1\r\n\r\n"])(
    "is followed by an Option, not by %j",
    async (next) => {
      const all = setUp();
      const peer = all.connect();
      peer.send(heads[0] as string, next);
      await peer.ended();
      expect(peer.text.slice(answer.length)).toContain("invalid_argument");
      await expectGone(peer, all);
    },
  );
});

describe("white space before JSON-RPC", () => {
  const blanks = "\r\n\t ".repeat(16);
  const request = '{"method":"Arith.sum","params":[{"a":1,"b":2}],"id":7}';
  const answer = { id: 7, result: 3, error: null };

  test.each([
    [request, answer],
    [`[${request}]`, [answer]],
  ])("%s is answered behind 64 bytes of it", async (text, expected) => {
    for (const isDripped of [false, true]) {
      const all = setUp();
      const peer = all.connect();
      if (isDripped) peer.drip(blanks + text);
      else peer.send(blanks + text);
      const [line = ""] = await peer.lines();
      expect(JSON.parse(line)).toEqual(expected);
      expect(all.refusals()).toEqual([]);
    }
  });

  test("65 bytes of it are refused", async () => {
    const all = setUp();
    const peer = all.connect();
    peer.send(`${blanks} `);
    expect(await peer.refusal()).toBe("invalid_argument");
    await expectGone(peer, all);
  });

  test("nothing else is waited for", async () => {
    const all = setUp();
    const peer = all.connect();
    peer.send(blanks);
    await all.clock.advance(handshakeTimeoutMs);
    expect(await peer.refusal()).toBe("deadline_exceeded");
    await expectGone(peer, all);
  });
});

describe("strangers get one short line", () => {
  const tlsHello = Buffer.from("16030100c8010000c40303", "hex");

  test.each([
    ["a TLS hello", tlsHello],
    ["blanks", Buffer.from("   {}")],
    ["SSH", Buffer.from("ssh-2.0-x\r\n")],
    ["zeros", Buffer.alloc(100)],
  ])("%s", async (_, bytes) => {
    const all = setUp();
    const peer = all.connect();
    peer.send(bytes);
    expect(await peer.refusal()).toBe("invalid_argument");
    expect(peer.ear.byteCount).toBeLessThan(200);
    await expectGone(peer, all);
    expect(all.refusals()).toEqual(["invalid_argument"]);
  });

  test("random bytes never open a session and always end", async () => {
    const random = testRandom();
    const all = setUp();
    for (let round = 0; round < 200; round++) {
      const bytes = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 64) }, () =>
          Math.floor(random() * 256),
        ),
      );
      // A bracket begins a JSON-RPC batch, which would be a session.
      if (/^[ \t\r\n]*\[/.test(bytes.toString("latin1"))) bytes[0] = 0;
      const peer = all.connect();
      peer.send(bytes);
      await all.clock.advance(handshakeTimeoutMs);
      await expectGone(peer, all);
      expect(peer.ear.byteCount).toBeGreaterThan(0);
    }
    expect(all.refusals()).toHaveLength(200);
  });
});
