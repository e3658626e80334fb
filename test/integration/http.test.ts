import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { Server, type ServerOptions } from "../../src/server/server.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { Arith, Gate, Peer } from "../server/set-up.ts";
import { settle } from "../support/manual-clock.ts";

/** All of the servers here make their private folders in this one. */
const folder = mkdtempSync(join(tmpdir(), "http-test-"));
process.env["TMPDIR"] = folder;

afterAll(() => {
  delete process.env["TMPDIR"];
  rmSync(folder, { recursive: true });
});

class Echo {
  same(value: unknown) {
    return value;
  }
  text(length: number) {
    return "é".repeat(length / 2);
  }
}

async function setUp(options: ServerOptions = {}) {
  const server = new Server(options);
  const gate = new Gate();
  server.register(new Arith()).register(gate).register(new Echo());
  const address = await server.listen();
  const url = address.replace("tcp@", "http://");
  const post = (serviceMethod: string, body: RequestInit["body"], init = {}) =>
    fetch(`${url}/rpc/${serviceMethod}`, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json" },
      ...init,
    });
  const dial = async () =>
    new Peer(await dialPipe(parseAddress(address), { timeoutMs: 0 }));
  return {
    server,
    gate,
    address,
    url,
    post,
    dial,
    [Symbol.asyncDispose]: () => server.close(),
  };
}

function request(line: string, body = "", headers = ""): string {
  const type = body === "" ? "" : "Content-Type: application/json\r\n";
  return `${line} HTTP/1.1\r\nHost: a\r\n${headers}${type}Content-Length: ${body.length}\r\n\r\n${body}`;
}

/** Turns of the loop, until it holds: for what happens at the far end of a socket. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await settle();
}

describe("a connection", () => {
  test("carries any number of requests, one after the other", async () => {
    await using all = await setUp();
    const peer = await all.dial();
    const answers = () => peer.text.split("HTTP/1.1 200 OK").length - 1;
    for (let count = 1; count <= 100; count++) {
      peer.send(request("POST /rpc/Arith.sum", `{"a":${count},"b":1}`));
      await peer.ear.until(
        () => answers() === count && peer.text.endsWith(`${count + 1}\n`),
      );
    }
    expect(all.server.connectionCount).toBe(1);
    expect(peer.ear.ends).toBe(0);
    peer.pipe.shutdown();
    await peer.closed();
    await until(() => all.server.connectionCount === 0);
  });

  test("may come byte by byte", async () => {
    await using all = await setUp();
    const peer = await all.dial();
    peer.drip(request("POST /rpc/Arith.sum", '{"a":1,"b":2}'));
    await peer.ear.until(() => peer.text.endsWith("\r\n\r\n3\n"));
    peer.pipe.abort();
    await until(() => all.server.connectionCount === 0);
  });

  test("that is half closed behind its request gets its answer", async () => {
    await using all = await setUp();
    const peer = await all.dial();
    peer.send(request("POST /rpc/Arith.sum", '{"a":1,"b":2}'));
    peer.pipe.shutdown();
    await peer.closed();
    expect(peer.text).toEndWith("\r\n\r\n3\n");
    await until(() => all.server.connectionCount === 0);
  });

  test.each([
    "GET /healthz HTTP/1.0\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
  ])("needs no Host of use: %j", async (head) => {
    await using all = await setUp();
    const peer = await all.dial();
    peer.send(head);
    await peer.ear.until(() => peer.text.endsWith("ok\n"));
    expect(peer.text).toStartWith("HTTP/1.1 200 OK\r\n");
  });

  test("whose Host cannot be part of a URL is answered 400", async () => {
    await using all = await setUp();
    const peer = await all.dial();
    peer.send("GET /healthz HTTP/1.1\r\nHost: [[\r\n\r\n");
    await peer.ear.until(() => peer.text.includes("\r\n\r\n"));
    expect(peer.text).toStartWith("HTTP/1.1 400 ");
  });

  test("that goes aborts its handler", async () => {
    await using all = await setUp();
    const peer = await all.dial();
    peer.send(request("POST /rpc/Gate.wait", "1"));
    await all.gate._entered();
    const signal = all.gate.signals[0] as AbortSignal;
    const aborted = new Promise((resolve) =>
      signal.addEventListener("abort", resolve),
    );
    expect(signal.aborted).toBe(false);
    peer.pipe.abort();
    await aborted;
    await until(() => all.server.connectionCount === 0);
  });
});

describe("bodies", () => {
  test("of megabytes arrive whole, both ways", async () => {
    await using all = await setUp();
    const value = Array.from({ length: 400_000 }, (_, at) => at);
    const response = await all.post("Echo.same", JSON.stringify(value));
    expect(await response.json()).toEqual(value);
  });

  test("that a client reads slowly wait for it, and harm nobody", async () => {
    await using all = await setUp();
    const peer = await all.dial();
    peer.pipe.pause();
    peer.send(request("POST /rpc/Echo.text", "4000000"));
    await until(() => callsOf(all.server, "Echo", "text") === 1);
    const other = await all.post("Arith.sum", '{"a":1,"b":2}');
    expect(await other.json()).toBe(3);
    peer.pipe.resume();
    await peer.ear.until(() => peer.ear.byteCount > 4_000_000);
    expect(peer.ear.bytes.toString().slice(-3)).toBe('é"\n');
    peer.pipe.abort();
  });

  test("over the limit are refused as JSON, declared or not", async () => {
    await using all = await setUp();
    const long = "1".padStart(4 * 1024 * 1024 + 1);
    const declared = await all.post("Echo.same", long);
    expect(declared.status).toBe(413);
    expect(await declared.json()).toMatchObject({ code: "resource_exhausted" });
    const peer = await all.dial();
    peer.send(
      "POST /rpc/Echo.same HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    );
    const piece = Buffer.from(`10000\r\n${"1".repeat(0x10000)}\r\n`);
    for (let count = 0; count < 66; count++) {
      for (let at = 0; at < piece.length;) {
        const { drains } = peer.ear;
        at += peer.pipe.write(piece.subarray(at));
        const isOver = () => peer.ear.drains > drains || peer.ear.ends > 0;
        if (at < piece.length) await peer.ear.until(isOver);
        if (peer.ear.ends > 0) break;
      }
    }
    await peer.ear.until(() => peer.ear.ends > 0);
    expect(peer.text).toStartWith("HTTP/1.1 413 ");
    expect(peer.text).toContain("resource_exhausted");
    peer.pipe.abort();
    await until(() => all.server.connectionCount === 0);
    expect(callsOf(all.server, "Echo", "same")).toBe(0);
  });
});

function callsOf(server: Server, service: string, method: string): number {
  const found = server.methods
    .get(service)
    ?.find(({ serviceMethod }) => serviceMethod === `${service}.${method}`);
  return found?.calls ?? -1;
}

describe("one port", () => {
  test("serves the debug page, health, CONNECT and calls", async () => {
    await using all = await setUp();
    const page = await fetch(`${all.url}/debug/geerpc`);
    expect(await page.text()).toStartWith("<!doctype html>");
    const json = await fetch(`${all.url}/debug/geerpc`, {
      headers: { Accept: "application/json" },
    });
    expect(await json.json()).toMatchObject({
      services: { Arith: { sum: { calls: 0, errors: 0, inFlight: 0 } } },
      server: { addresses: [all.address] },
    });
    expect((await fetch(`${all.url}/readyz`)).status).toBe(200);
    const refused = await fetch(`${all.url}/_geerpc_`);
    expect([refused.status, await refused.text()]).toEqual([
      405,
      "405 must CONNECT\n",
    ]);
    for (const protocol of ["tcp@", "http@"]) {
      await using client = await Client.dial(
        all.address.replace("tcp@", protocol),
      );
      expect(await client.call("Arith.sum", { a: 1, b: 2 })).toBe(3);
    }
  });

  test("answers HEAD with the head of the page alone", async () => {
    await using all = await setUp();
    const peer = await all.dial();
    peer.send(request("HEAD /debug/geerpc", "", "Connection: close\r\n"));
    await peer.ended();
    expect(peer.text).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(
      Number(/content-length: (\d+)/i.exec(peer.text)?.[1]),
    ).toBeGreaterThan(1_000);
    expect(peer.text).toEndWith("\r\n\r\n");
  });
});

describe("ending", () => {
  test("a drain lets the answer out, whole, and ends the connection", async () => {
    await using all = await setUp();
    const running = await all.dial();
    running.send(request("POST /rpc/Gate.wait", "1"));
    await all.gate._entered();
    const idle = await all.dial();
    idle.send(request("GET /healthz"));
    await idle.ear.until(() => idle.text.endsWith("ok\n"));
    const drained = all.server.drain();
    idle.send(request("GET /readyz"));
    await idle.ended();
    expect(idle.text).toContain("HTTP/1.1 503 ");
    all.gate.open();
    await running.ended();
    expect(running.text).toStartWith("HTTP/1.1 200 OK\r\n");
    expect(running.text).toMatch(/\r\nconnection: close\r\n/i);
    expect(running.text).toEndWith('"opened"\n');
    running.pipe.shutdown();
    idle.pipe.shutdown();
    await drained;
    expect(all.server.connectionCount).toBe(0);
  });

  test("closing answers what runs", async () => {
    await using all = await setUp();
    const peer = await all.dial();
    peer.send(request("POST /rpc/Gate.wait", "1"));
    await all.gate._entered();
    const closed = all.server.close();
    await peer.ended();
    expect(peer.text).toStartWith("HTTP/1.1 503 ");
    expect(peer.text).toContain('"unavailable"');
    expect(all.gate.signals[0]?.aborted).toBe(true);
    peer.pipe.shutdown();
    await closed;
    expect(all.server.connectionCount).toBe(0);
  });

  test("closing removes the private folder, which only its owner may enter", async () => {
    const all = await setUp();
    expect(readdirSync(folder)).toEqual([]);
    expect((await fetch(`${all.url}/healthz`)).status).toBe(200);
    const [name = ""] = readdirSync(folder);
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o700);
    await all.server.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("closing without HTTP makes no folder", async () => {
    const all = await setUp();
    await all.server.close();
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("HTTP that cannot be served is answered 503, until it can", async () => {
  await using all = await setUp();
  process.env["TMPDIR"] = join(folder, "missing");
  const peer = await all.dial();
  peer.send(request("GET /healthz"));
  await peer.ended();
  expect(peer.text).toStartWith("HTTP/1.1 503 ");
  peer.pipe.shutdown();
  await until(() => all.server.connectionCount === 0);
  process.env["TMPDIR"] = folder;
  expect((await fetch(`${all.url}/healthz`)).status).toBe(200);
});
