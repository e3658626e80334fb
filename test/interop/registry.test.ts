import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  connect,
  gob,
  heartbeat,
  Registry,
  RpcError,
  Server,
} from "../../src/index.ts";
import { type Args, registerAll } from "./foo.ts";
import {
  buildTimeoutMs,
  type GoServer,
  goProgram,
  isSkipped,
  runPeer,
  serveGo,
} from "./go-peer.ts";

// Servers in Go and in TypeScript under one registry of ours: they register
// alike, as tcp@host:port.

interface Services {
  Foo: { Sum(args: Args): number; Who(args: object): string };
}

describe.skipIf(isSkipped)("one registry", () => {
  const registry = new Registry();
  const server = registerAll(new Server());
  let url = "";
  let typescript = "";
  let go: GoServer;

  beforeAll(async () => {
    await goProgram("peer");
    url = await registry.listen("127.0.0.1:0");
    typescript = await server.listen("tcp@127.0.0.1:0");
    go = await serveGo("serve-geerpc", "-registry", url);
    const heart = heartbeat(url, {
      address: typescript,
      services: server.services,
    });
    await heart.firstAttempt;
  }, buildTimeoutMs);
  afterAll(async () => {
    await go?.[Symbol.asyncDispose]();
    await server.close();
    await registry.close();
  });

  test("Go's heartbeat says tcp@[::]:port: the host is the one that it came from", async () => {
    const response = await fetch(url);
    const listed = response.headers.get("X-Geerpc-Servers")?.split(",");
    expect(listed?.toSorted()).toEqual([go.listening, typescript].toSorted());
    expect(await response.text()).toBe("");
  });

  test("a Go client finds both, and calls both", async () => {
    const lines = await runPeer("broadcast", url, "Foo.Who", "{}");
    const [first, , second] = lines as [string, unknown, string];
    const byServer = new Map([
      [first, lines[1]],
      [second, lines[3]],
    ]);
    expect(byServer.get(go.listening)).toEqual({ reply: "go" });
    expect(byServer.get(typescript)).toEqual({ reply: "ts" });
    expect(lines).toHaveLength(4);
  });

  test("an XClient without a chosen codec calls both", async () => {
    await using xc = await connect<Services>(url, { mode: "round-robin" });
    const who = new Set<string>();
    for (let i = 0; i < 20; i++) {
      who.add(await xc.Foo.Who({}));
      expect(await xc.Foo.Sum({ Num1: i, Num2: 1 })).toBe(i + 1);
    }
    expect([...who].sort()).toEqual(["go", "ts"]);
  });

  test("calls that start while a Go server is found out all run, once", async () => {
    await using xc = await connect<Services>(go.listening);
    const sums = Array.from({ length: 50 }, (_, i) =>
      xc.Foo.Sum({ Num1: i, Num2: 1 }),
    );
    expect(await Promise.all(sums)).toEqual(sums.map((_, i) => i + 1));
  });

  test("a broadcast gets an answer of each, in each one's codec", async () => {
    await using xc = await connect<Services>(url);
    const args = [2, 4];
    const outcomes = await xc.broadcastSettled("Foo.Avg", args, {
      gob: gob.slice(gob.float64),
    });
    expect(Object.fromEntries(outcomes)).toEqual({
      [go.listening]: { reply: 3 },
      [typescript]: { reply: 3 },
    });
  });

  test("an unknown method costs the connection to Go, and the next call has another", async () => {
    await using xc = await connect<Services>(go.listening);
    for (let i = 0; i < 3; i++) {
      const error = await xc.call("Foo.Nope", { Num1: i }).then(
        () => undefined,
        (thrown: unknown) => RpcError.from(thrown).code,
      );
      expect(error).toBe("unimplemented");
      expect(await xc.Foo.Sum({ Num1: i, Num2: 1 })).toBe(i + 1);
    }
  });

  test("net/rpc servers are registered by what they speak", async () => {
    await using netrpc = await serveGo("serve-netrpc");
    await using json = await serveGo("serve-jsonrpc");
    const addresses = [netrpc.listening, netrpc.http, json.listening];
    for (const address of addresses) {
      const headers = { "X-Geerpc-Server": address };
      const response = await fetch(url, { method: "POST", headers });
      expect(response.status).toBe(200);
    }
    await using xc = await connect<Services>(url);
    const outcomes = await xc.broadcastSettled("Foo.Who", {});
    expect(Object.fromEntries(outcomes)).toEqual({
      [go.listening]: { reply: "go" },
      [typescript]: { reply: "ts" },
      ...Object.fromEntries(addresses.map((each) => [each, { reply: "go" }])),
    });
  });
});
