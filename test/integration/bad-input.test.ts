import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import {
  binaryCodecType,
  createCodec,
  jsonCodecType,
} from "../../src/codec/table.ts";
import type { RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import {
  Arith,
  binaryOption,
  Gate,
  jsonOption,
  jsonRequest,
  Peer,
} from "../server/set-up.ts";
import { ManualClock, settle } from "../support/manual-clock.ts";
import { writeAll } from "../support/pipe-ear.ts";
import { testRandom } from "../support/seed.ts";

/** The server's clock stands, so that nothing ends by itself. */
const clock = new ManualClock();
const server = new Server({ clock });
const gate = new Gate();
let address: string;
let bystander: Client;

beforeAll(async () => {
  server.register(new Arith(), "Foo").register(gate);
  address = await server.listen();
  bystander = await Client.dial(address, { callTimeoutMs: 0 });
});

afterAll(async () => {
  await bystander.close();
  await server.close();
});

const sum = { a: 1, b: 2 };

/**
 * A stranger connects and misbehaves. Calls of the bystander run before,
 * during and after; one of them spans all of it. Nothing of the stranger is
 * left.
 */
async function visit(misbehave: (peer: Peer) => Promise<void>): Promise<void> {
  const { length } = gate.signals;
  const spanning = bystander.call("Gate.wait");
  await gate._entered();
  expect(await bystander.call("Foo.sum", sum)).toBe(3);
  const peer = new Peer(
    await dialPipe(parseAddress(address), { timeoutMs: 0 }),
  );
  const during = [misbehave(peer), bystander.call("Foo.sum", sum)] as const;
  expect(await during[1]).toBe(3);
  await during[0];
  expect(await bystander.call("Foo.sum", sum)).toBe(3);
  expect(gate.signals[length]?.aborted).toBe(false);
  gate.open();
  expect(await spanning).toBe("opened");
  peer.pipe.shutdown();
  await peer.closed();
  while (server.connectionCount > 1) await settle();
}

function calls(): number {
  return server.methods.get("Foo")?.[0]?.calls as number;
}

describe("strangers get one line and the end", () => {
  const tlsHello = Buffer.from(
    "16030100a5010000a10303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7",
    "hex",
  );

  test.each([
    ["a TLS hello", tlsHello],
    ["gob of another kind", Buffer.from("0dff810201020000000000000000", "hex")],
  ])("%s", (_, bytes) =>
    visit(async (peer) => {
      peer.send(bytes);
      expect(await peer.refusal()).toBe("invalid_argument");
      await peer.ended();
      expect(peer.ear.byteCount).toBeLessThan(200);
    }),
  );

  test("random bytes", async () => {
    const random = testRandom();
    for (let round = 0; round < 50; round++) {
      const bytes = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 300) }, () =>
          Math.floor(random() * 256),
        ),
      );
      // A bracket begins a JSON-RPC batch, which would be a session.
      if (/^[ \t\r\n]*\[/.test(bytes.toString("latin1"))) bytes[0] = 0;
      await visit(async (peer) => {
        peer.send(bytes);
        peer.pipe.shutdown();
        await peer.closed();
        expect(peer.ear.byteCount).toBeGreaterThan(0);
        expect(peer.ear.byteCount).toBeLessThan(400);
      });
    }
  });

  test("an Option of 1 MB", () =>
    visit(async (peer) => {
      const long = Buffer.from(`{"MagicNumber":"${"1".repeat(1_000_000)}"}`);
      await writeAll(peer.pipe, peer.ear, long);
      expect(await peer.refusal()).toBe("resource_exhausted");
      await peer.ended();
      expect(peer.text.split("\n")).toHaveLength(2);
    }));

  test("half an Option", () =>
    visit(async (peer) => {
      peer.send(binaryOption.slice(0, 30));
      peer.pipe.shutdown();
      expect(await peer.refusal()).toBe("invalid_argument");
    }));
});

describe("HTTP that is no CONNECT", () => {
  test.each([
    ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", 404],
    ["GET /_geerpc_ HTTP/1.1\r\nHost: a\r\n\r\n", 405],
    ["POST /_geeprc_ HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405],
    ["DELETE /debug/geerpc HTTP/1.1\r\nHost: a\r\n\r\n", 405],
    ["GET / HTTP/1.1\r\n\r\n", 400],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["GET /healthz HTTP/1.0\n\n", 505],
    ["HELO mail.example.com\r\n\r\n", 400],
    ["CONNECT example.com:443 HTTP/1.1\r\n\r\n", 404],
    [`GET /${"x".repeat(20_000)} HTTP/1.1\r\n\r\n`, 431],
  ])("%j is answered %i", (bytes, status) =>
    visit(async (peer) => {
      peer.send(bytes);
      await peer.ear.until(() => peer.text.includes("\r\n\r\n"));
      expect(peer.text).toStartWith(`HTTP/1.1 ${status} `);
    }),
  );
});

describe("names that no service has", () => {
  test.each([
    ["Foo.constructor", "unimplemented"],
    ["Foo.__proto__.x", "unimplemented"],
    ["Foo.__proto__", "unimplemented"],
    ["Foo.toString", "unimplemented"],
    ["__proto__.x", "unimplemented"],
    ["constructor.prototype", "unimplemented"],
    ["Foo.", "unimplemented"],
    [".sum", "invalid_argument"],
    ["Foo", "invalid_argument"],
    ["", "invalid_argument"],
  ])("%j is %s, and the connection goes on", async (name, code) => {
    for (const codec of [binaryCodecType, jsonCodecType]) {
      await using client = await Client.dial(address, { codec });
      const error = await client.call(name, sum).then(
        () => undefined,
        (thrown) => thrown as RpcError,
      );
      expect(error?.code).toBe(code as RpcError["code"]);
      expect(await client.call("Foo.sum", sum)).toBe(3);
    }
  });
});

/** What a client sends to call Foo.sum, behind its Option. */
function requestBytes(): Buffer {
  const codec = createCodec(binaryCodecType, {
    role: "dial",
    limits: defaultLimits,
    bodies: [],
  });
  const out = new SendBuffer();
  const head = {
    seq: 1,
    serviceMethod: "Foo.sum",
    timeoutMs: 0,
    sentAtMs: 0,
    oneWay: false,
  };
  codec.writeRequest(out, head, sum);
  return Buffer.from(out.pending());
}

/** The frames of an answer: kind, code and seq of each. */
function framesOf(
  bytes: Buffer,
): { kind: number; code: number; seq: number }[] {
  const frames = [];
  for (let at = 0; at + 16 <= bytes.length;) {
    frames.push({
      kind: bytes.readUInt8(at),
      code: bytes.readUInt8(at + 3),
      seq: bytes.readUInt32LE(at + 8),
    });
    at += 16 + bytes.readUInt32LE(at + 4);
  }
  return frames;
}

const settings = { kind: 1, code: 0, seq: 0 };
const response = { kind: 3, code: 0, seq: 1 };

describe("broken framing ends the connection, in its codec's error", () => {
  test("a frame that declares 4 GiB", () =>
    visit(async (peer) => {
      const header = requestBytes().subarray(0, 16);
      header.writeUInt32LE(0xffff_ffff, 4);
      peer.send(binaryOption, header);
      await peer.ended();
      expect(framesOf(peer.ear.bytes)).toEqual([
        settings,
        { kind: 4, code: 8, seq: 0 },
      ]);
    }));

  test("a line over the limit of a message", () =>
    visit(async (peer) => {
      peer.send(jsonOption);
      await writeAll(peer.pipe, peer.ear, Buffer.alloc(5 * 1024 * 1024, "x"));
      const [header = ""] = await peer.lines(2);
      expect(JSON.parse(header)).toMatchObject({
        Seq: 0,
        Code: "resource_exhausted",
      });
      await peer.ended();
    }));

  test("a header line that is none", () =>
    visit(async (peer) => {
      peer.send(jsonOption, "nonsense\n");
      const [header = ""] = await peer.lines(2);
      expect(JSON.parse(header)).toMatchObject({ Seq: 0, Code: "internal" });
      await peer.ended();
    }));
});

describe("a message cut at every offset, then the end, calls nothing", () => {
  test("in frames", async () => {
    const bytes = requestBytes();
    const before = calls();
    for (let length = 0; length < bytes.length; length++) {
      const peer = new Peer(
        await dialPipe(parseAddress(address), { timeoutMs: 0 }),
      );
      peer.send(binaryOption, bytes.subarray(0, length));
      peer.pipe.shutdown();
      await peer.closed();
      expect(peer.ear.closes).toEqual([undefined]);
      expect(framesOf(peer.ear.bytes)).toEqual([settings]);
    }
    expect(calls()).toBe(before);
    await visit(async (peer) => {
      peer.send(binaryOption, bytes);
      await peer.ear.until(() => framesOf(peer.ear.bytes).length === 2);
      expect(framesOf(peer.ear.bytes)[1]).toEqual(response);
    });
  });

  test("in JSON", async () => {
    const text = jsonRequest("Foo.sum", 1, sum);
    const before = calls();
    for (let length = 0; length < text.length; length++) {
      const peer = new Peer(
        await dialPipe(parseAddress(address), { timeoutMs: 0 }),
      );
      peer.send(jsonOption, text.slice(0, length));
      peer.pipe.shutdown();
      await peer.closed();
      expect(peer.ear.closes).toEqual([undefined]);
      expect(peer.text).toBe("");
    }
    expect(calls()).toBe(before);
  });
});

describe("a body that is no JSON fails its call, and the next one goes on", () => {
  test("in frames", () =>
    visit(async (peer) => {
      const broken = requestBytes();
      broken.writeUInt8("x".charCodeAt(0), broken.length - 1);
      const next = requestBytes();
      next.writeUInt32LE(2, 8);
      peer.send(binaryOption, broken, next);
      await peer.ear.until(() => framesOf(peer.ear.bytes).length === 3);
      expect(framesOf(peer.ear.bytes)).toEqual([
        settings,
        { kind: 4, code: 3, seq: 1 },
        { ...response, seq: 2 },
      ]);
    }));

  test("in JSON", () =>
    visit(async (peer) => {
      const [header] = jsonRequest("Foo.sum", 1, sum).split("\n");
      peer.send(
        jsonOption,
        `${header}\n{"a":\n`,
        jsonRequest("Foo.sum", 2, sum),
      );
      const [first = "", , second = "", reply] = await peer.lines(4);
      expect(JSON.parse(first)).toMatchObject({
        Seq: 1,
        Code: "invalid_argument",
      });
      expect(JSON.parse(second)).toMatchObject({ Seq: 2, Error: "" });
      expect(reply).toBe("3");
    }));

  test("by POST", async () => {
    const url = address.replace("tcp@", "http://");
    const answer = await fetch(`${url}/rpc/Foo.sum`, {
      method: "POST",
      body: '{"a":',
      headers: { "Content-Type": "application/json", Connection: "close" },
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: "invalid_argument" });
    while (server.connectionCount > 1) await settle();
  });
});
