import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeIo } from "../support/fake-io.ts";
import { client, start, type Started, startRegistry } from "./in-process.ts";

// `geerpc client` with more than one server: who is chosen, who is tried
// next, and what is said when that fails.

let folder: string;
let registry: Started;
let slow: Started;
let quick: Started;
let at: string[];

/** Answers its name, or waits until its caller gives up. */
const slowFile = `
export class Who {
  name(_, { signal }) {
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }
}`;
const quickFile = `
import { RpcError } from "geerpc";
export class Who { name() { return "quick"; } }
let calls = 0;
function once() {
  calls++;
  if (calls % 2 === 1) throw new RpcError("unavailable", "not now");
  return "then";
}
export class Twice { get() { return once(); } }
export class Declared {
  static rpc = { methods: { get: { idempotent: true } } };
  get() { return once(); }
}`;

async function write(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await Bun.write(path, text);
  return path;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-many-"));
  registry = await startRegistry();
  at = ["--registry", registry.listening];
  const slowAt = ["--zone=far", "--service-version=1.0", "--weight=0.5"];
  slow = await start(
    "server",
    await write("slow.ts", slowFile),
    ...[...slowAt, ...at, "--drain-timeout=0"],
  );
  const labels = ["--label", "rack=7,a", "--label", "kind=new"];
  quick = await start(
    "server",
    await write("quick.ts", quickFile),
    ...["--zone=near", "--service-version=2.0", ...labels, ...at],
  );
});
afterAll(async () => {
  for (const started of [slow, quick, registry]) {
    await started[Symbol.asyncDispose]();
  }
  await rm(folder, { recursive: true });
});

describe("--list", () => {
  test("shows of each server what it said of itself", async () => {
    const { out } = await client(["--list", ...at]);
    const servers = [
      {
        address: slow.listening,
        services: ["Who"],
        version: "1.0",
        weight: 0.5,
        zone: "far",
      },
      {
        address: quick.listening,
        services: ["Declared", "Twice", "Who"],
        version: "2.0",
        zone: "near",
        labels: { kind: "new", rack: "7,a" },
      },
    ].sort((left, right) => (left.address < right.address ? -1 : 1));
    expect(out).toEqual([
      {
        services: { Declared: ["get"], Twice: ["get"], Who: ["name"] },
        servers,
      },
    ]);
  });

  test("shows a server that does not answer, too, with its error", async () => {
    const gone = "tcp@127.0.0.1:1";
    await fetch(registry.listening, {
      method: "POST",
      headers: { "X-Geerpc-Server": gone },
      body: '{"zone":"away"}',
    });
    const { code, out, error } = await client(["--list", ...at]);
    expect(code).toBe(0);
    const { servers } = out[0] as { servers: { address: string }[] };
    expect(servers.find(({ address }) => address === gone)).toMatchObject({
      zone: "away",
      error: { code: "unavailable" },
    });
    expect(error).toMatchObject({ server: gone });
    await fetch(registry.listening, {
      method: "DELETE",
      headers: { "X-Geerpc-Server": gone },
    });
  });

  test("asks the second registry where the first is away", async () => {
    const both = `http://127.0.0.1:1,${registry.listening}`;
    const { out } = await client(["--list", "--registry", both]);
    const { servers } = out[0] as { servers: object[] };
    expect(servers).toHaveLength(2);
    expect(servers).toContainEqual(expect.objectContaining({ version: "2.0" }));
  });
});

describe("--mode", () => {
  const modes = [
    ...["random", "round-robin", "weighted"],
    ...["least-loaded", "consistent-hash", "zone"],
  ];

  test.each(modes)("%s", async (mode) => {
    const own: Record<string, string[]> = {
      zone: ["--zone", "near"],
      "consistent-hash": ["--key", "k"],
    };
    const flags = ["--mode", mode, ...(own[mode] ?? [])];
    const result = await client(["Declared.get", ...flags, ...at]);
    expect(result).toMatchObject({ code: 0, out: ["then"] });
  });

  test("zone goes to the servers of --zone", async () => {
    const flags = ["--mode", "zone", "--zone"];
    for (let call = 0; call < 5; call++) {
      const near = await client(["Who.name", ...flags, "near", ...at]);
      expect(near.out).toEqual(["quick"]);
    }
    const far = ["Who.name", ...flags, "far", "--timeout=50ms", ...at];
    expect((await client(far)).code).toBe(4);
  });

  test("consistent-hash sends a --key to one server, and others elsewhere", async () => {
    await using one = await start("server");
    await using two = await start("server");
    const both = ["--server", `${one.listening},${two.listening}`];
    const serverOf = async (key: string) => {
      const flags = ["--mode=consistent-hash", "--key", key];
      const { out } = await client(["Foo.Whoami", ...flags, ...both]);
      return (out[0] as { address: string }).address;
    };
    const keys = Array.from({ length: 16 }, (_, index) => `key-${index}`);
    const first = await Promise.all(keys.map(serverOf));
    expect(await Promise.all(keys.map(serverOf))).toEqual(first);
    expect(new Set(first).size).toBe(2);
  });
});

describe("all servers at once", () => {
  test("--fork prints the reply that comes first", async () => {
    const result = await client(["Who.name", "--fork", ...at]);
    expect(result).toMatchObject({ code: 0, out: ["quick"] });
  });

  test("--fork fails once all have, and says where", async () => {
    const { code, error } = await client(["Who.nothing", "--fork", ...at]);
    expect(code).toBe(1);
    expect(error).toMatchObject({ code: "unimplemented", sent: true });
    expect(error.attempts).toHaveLength(2);
  });

  test("--quorum prints a line for each of so many replies", async () => {
    const one = await client(["Who.name", "--quorum=1", ...at]);
    expect(one.code).toBe(0);
    expect(one.out).toEqual([{ server: quick.listening, reply: "quick" }]);
    const two = ["Who.name", "--quorum=2", "--timeout=50ms", ...at];
    expect(await client(two)).toMatchObject({ code: 4, out: [] });
    const three = await client(["Who.name", "--quorum=3", ...at]);
    expect(three).toMatchObject({ code: 3, error: { sent: false } });
  });

  test("--quorum prints the items of streams", async () => {
    await using foo = await start("server");
    const { out } = await client([
      ...["Foo.Count", "2", "--quorum=1", "--server", foo.listening],
    ]);
    const server = foo.listening;
    expect(out).toEqual([
      { server, item: 1 },
      { server, item: 2 },
    ]);
  });
});

describe("trying again", () => {
  test("a call that may have run is made again only with --idempotent", async () => {
    const once = await client(["Twice.get", ...at]);
    expect(once).toMatchObject({ code: 1, error: { code: "unavailable" } });
    expect(once.error.sent).toBe(true);
    const address = quick.listening;
    expect(once.error.attempts).toEqual([{ address, code: "unavailable" }]);
    // The second call of the two.
    expect((await client(["Twice.get", ...at])).out).toEqual(["then"]);
    const again = await client(["Twice.get", "--idempotent", ...at]);
    expect(again).toMatchObject({ code: 0, out: ["then"] });
  });

  test("what the service declares holds, unless --no-idempotent says otherwise", async () => {
    expect((await client(["Declared.get", ...at])).out).toEqual(["then"]);
    const once = await client(["Declared.get", "--no-idempotent", ...at]);
    expect(once).toMatchObject({ code: 1, error: { sent: true } });
    expect((await client(["Declared.get", ...at])).out).toEqual(["then"]);
  });

  test("a call that cannot have run says so, with all that it was tried with", async () => {
    const none = ["--server", "127.0.0.1:1,127.0.0.1:2"];
    const { code, error } = await client(["Who.name", ...none]);
    expect(code).toBe(3);
    expect(error.sent).toBe(false);
    const tried = error.attempts?.map(({ address }) => address);
    expect(tried?.sort()).toEqual(["tcp@127.0.0.1:1", "tcp@127.0.0.1:2"]);
  });

  test("--hedge asks a second server where the first takes long, if it may", async () => {
    const far = ["--mode=zone", "--zone=far", "--hedge=20ms", ...at];
    const hedged = await client(["Who.name", "--idempotent", ...far]);
    expect(hedged).toMatchObject({ code: 0, out: ["quick"] });
    const alone = await client(["Who.name", "--timeout=100ms", ...far]);
    expect(alone.code).toBe(4);
  });
});

describe("who tells the servers", () => {
  test("a file", async () => {
    const path = await write("servers", `# one\n${quick.listening}\n`);
    const result = await client(["Who.name", "--server", `file:${path}`]);
    expect(result).toMatchObject({ code: 0, out: ["quick"] });
    const [list] = (await client(["--list", "--server", `file:${path}`])).out;
    const services = ["Declared", "Twice", "Who"];
    expect(list).toMatchObject({
      servers: [{ address: quick.listening, services }],
    });
    const none = await client(["Who.name", "--server", `file:${path}.none`]);
    expect(none).toMatchObject({ code: 3, error: { sent: false } });
  });

  test("a name in DNS", async () => {
    const port = quick.listening.split(":").at(-1);
    const name = ["--server", `dns://127.0.0.1:${port}`];
    expect((await client(["Who.name", ...name])).out).toEqual(["quick"]);
  });

  test("--keep-in: what a registry told, while it is away", async () => {
    const keepIn = ["--keep-in", join(folder, "kept", "list.json")];
    const own = await startRegistry();
    const by = ["--registry", own.listening];
    await using server = await start("server", ...by);
    const call = ["Foo.Whoami", ...by];
    expect((await client([...call, ...keepIn])).code).toBe(0);
    await own[Symbol.asyncDispose]();
    expect((await client(call)).code).toBe(3);
    const { code, out, io } = await client([...call, ...keepIn]);
    expect(code).toBe(0);
    expect(out).toMatchObject([{ address: server.listening }]);
    expect(io.stderr.lines).toHaveLength(1);
    expect(io.stderr.text).toContain("list.json");
  });
});

describe("wrong usage", () => {
  const server = ["--server", "a:1"];

  test.each([
    [["--mode", "zone"], "--zone"],
    [["--zone", "near"], "--mode zone"],
    [["--mode", "consistent-hash"], "--key"],
    [["--key", "k", "--mode", "weighted"], "--mode consistent-hash"],
    [["--quorum", "0"], "from 1"],
    [["--quorum", "1.5"], "from 1"],
    [["--fork", "--broadcast"], "--fork"],
    [["--fork", "--quorum", "1"], "--quorum"],
    [["--fork", "--items"], "--items"],
    [["--quorum", "1", "--idempotent"], "--idempotent"],
    [["--broadcast", "--hedge", "0"], "--hedge"],
    [["--broadcast", "--mode", "random"], "--mode"],
    [["--items", "--idempotent"], "--items"],
    [["--items", "--hedge", "0"], "--items"],
    [["--hedge", "5"], "5ms"],
    [["--hedge"], "<duration>"],
    [["--keep-in", "list.json"], "--registry"],
  ])("%j: one line, with %p", async (words, meant) => {
    const { code, io } = await client(["Who.name", ...words, ...server]);
    expect(code).toBe(2);
    expect(io.stdout.text).toBe("");
    expect(io.stderr.lines).toHaveLength(1);
    expect(io.stderr.text).toContain(meant);
  });

  test("a registry is not written as a server", async () => {
    const { code, io } = await client(["Who.name", "--server", "http://a:1"]);
    expect(code).toBe(2);
    expect(io.stderr.text).toContain("--registry");
  });

  test("what the environment says need not fit each call", async () => {
    const io = new FakeIo({
      GEERPC_ZONE: "near",
      GEERPC_KEY: "k",
      GEERPC_HEDGE: "1s",
      GEERPC_IDEMPOTENT: "true",
      GEERPC_FORK: "true",
      GEERPC_KEEP_IN: join(folder, "unused"),
    });
    const to = ["--server", quick.listening];
    const result = await client(["Who.name", "--broadcast", ...to], io);
    expect(result.out).toEqual([{ server: quick.listening, reply: "quick" }]);
  });

  test.each([
    ["--zone=a"],
    ["--weight=2"],
    ["--label=a=b"],
    ["--service-version=1"],
    ["--report-load"],
  ])("a server with %s and no registry", async (word) => {
    const started = await start("server", word).catch((thrown) => thrown);
    expect(String(started)).toContain("exit 2");
    expect(String(started)).toContain("--registry");
  });

  test("a load of several processes", async () => {
    const words = ["--report-load", "--workers=2", ...at];
    const started = await start("server", ...words).catch((thrown) => thrown);
    expect(String(started)).toContain("exit 2");
    expect(String(started)).toContain("--workers");
  });
});
