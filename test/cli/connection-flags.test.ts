import { describe, expect, test } from "bun:test";
import { createCodec, binaryCodecType } from "../../src/codec/table.ts";
import type { DebugReport } from "../../src/server/debug/report.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { headerBytes, kinds } from "../../src/wire/frame.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { option, Peer } from "../server/set-up.ts";
import { client, start } from "./in-process.ts";

/** Dials a server as a geerpc client would, and then does nothing by itself. */
async function peerAt(
  address: string,
  fields: Record<string, unknown> = {},
): Promise<Peer> {
  const pipe = await dialPipe(parseAddress(address), { timeoutMs: 0 });
  const peer = new Peer(pipe);
  peer.send(option({ CodecType: binaryCodecType, ...fields }));
  return peer;
}

/** Waits for the first frame of that kind, and gives its content. */
async function frame({ ear }: Peer, kind: number): Promise<Buffer> {
  let content: Buffer | undefined;
  await ear.until(() => {
    content = contentOf(Buffer.from(ear.bytes), kind);
    return content !== undefined;
  });
  return content as Buffer;
}

function contentOf(bytes: Buffer, kind: number): Buffer | undefined {
  for (let at = 0; at + headerBytes <= bytes.length;) {
    const end = at + headerBytes + bytes.readUInt32LE(at + 4);
    if (end > bytes.length) return undefined;
    if (bytes[at] === kind) return bytes.subarray(at + headerBytes, end);
    at = end;
  }
  return undefined;
}

/** A request for Foo.Sleep, which runs for a minute. */
function sleeping(): Uint8Array {
  const codec = createCodec(binaryCodecType, {
    role: "dial",
    limits: defaultLimits,
    bodies: [],
  });
  const out = new SendBuffer();
  const serviceMethod = "Foo.Sleep";
  const head = { seq: 1, serviceMethod, timeoutMs: 0, sentAtMs: 0 };
  codec.writeRequest(out, { ...head, oneWay: false }, { Num1: 60, Num2: 0 });
  return out.pending();
}

describe("--compress", () => {
  test.each([
    [["--compress"], "zstd"],
    [[], undefined],
  ])("a server with %j answers who asks for zstd: %p", async (flags, how) => {
    await using server = await start("server", ...flags);
    const peer = await peerAt(server.listening, { Compression: ["zstd"] });
    const settings = await frame(peer, kinds.settings);
    expect(JSON.parse(settings.toString()).compression).toBe(how);
    peer.pipe.abort();
  });

  test.each([
    [["--compress"], ["zstd"]],
    [[], undefined],
  ])("a client with %j asks for %j", async (flags, asked) => {
    const seen = Promise.withResolvers<string>();
    using listener = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data(socket, bytes) {
          seen.resolve(bytes.toString().split("\n", 1)[0] as string);
          socket.end();
        },
      },
    });
    const at = ["--server", `127.0.0.1:${listener.port}`];
    const ended = client(["Foo.Echo", ...flags, ...at]);
    const { Compression } = JSON.parse(await seen.promise);
    expect(Compression).toEqual(asked);
    expect((await ended).code).not.toBe(0);
  });
});

test.each([
  [["--adaptive-limit"], null],
  [[], undefined],
])("a server with %j says of a method's limit %p", async (flags, limit) => {
  await using server = await start("server", ...flags);
  const url = server.listening.replace("tcp@", "http://");
  const response = await fetch(`${url}/debug/geerpc`, {
    headers: { Accept: "application/json" },
  });
  const { services } = (await response.json()) as DebugReport;
  expect(services["Foo"]?.["Sleep"]?.adaptiveLimit).toBe(limit);
});

describe("--keepalive", () => {
  test("pings a client that is silent for so long, with calls in flight and without", async () => {
    await using server = await start(
      "server",
      "--keepalive=100ms",
      "--drain-timeout=0",
    );
    const idle = await peerAt(server.listening);
    const busy = await peerAt(server.listening);
    busy.send(sleeping());
    await Promise.all([frame(idle, kinds.ping), frame(busy, kinds.ping)]);
    for (const { pipe } of [idle, busy]) pipe.abort();
  });
});

test.each([
  [["--keepalive", "5"], "5s"],
  [["--keepalive", "-1s"], "5s"],
  [["--compress=zstd"], "true or false"],
])(
  "wrong usage of a server, %j: what to write instead",
  async (flags, meant) => {
    const started = start("server", ...flags);
    const { message } = await started.catch((error) => error);
    expect(message).toContain("exit 2");
    expect(message).toContain(meant);
  },
);
