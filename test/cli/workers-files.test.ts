import {
  afterAll,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { buildExecutable, isAlive, Program } from "../support/geerpc.ts";
import {
  closeAll,
  connectionTo,
  logged,
  main,
  serve,
} from "./worker-programs.ts";

// `geerpc server --workers` with real processes: what they serve, and what they are.

setDefaultTimeout(30_000);

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-workers-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("a file", () => {
  test("that throws: exit 1, and one line, as without workers", async () => {
    await Bun.write(join(folder, "bad.ts"), "throw new Error('no');");
    const results = [];
    for (const workers of [[], ["--workers=3"]]) {
      await using server = serve(join(folder, "bad.ts"), ...workers);
      const { code, stdout } = await server.ended();
      const lines = logged(server, "start-failed");
      results.push({ code, stdout, lines: lines.map(({ code }) => code) });
    }
    const failed = { code: 1, stdout: "", lines: ["failed_precondition"] };
    expect(results).toEqual([failed, failed]);
  });

  test("that ends the process: its exit code", async () => {
    await Bun.write(join(folder, "exits.ts"), "process.exit(5);");
    await using server = serve(join(folder, "exits.ts"), "--workers=2");
    expect((await server.ended()).code).toBe(5);
  });

  test("whose service throws where nobody catches it: another process takes its place", async () => {
    await Bun.write(
      join(folder, "faulty.ts"),
      `export class Faulty {
         pid() { return process.pid; }
         fault() { queueMicrotask(() => { throw new Error("oh"); }); }
       }`,
    );
    await using server = serve(join(folder, "faulty.ts"), "--workers=1");
    const address = await server.listening();
    const client = await Client.dial(address);
    const first = await client.call("Faulty.pid");
    await client.call("Faulty.fault").catch(() => {});
    await server.stderrLine(/worker-started[^]*worker-started/);
    await client.close();
    const next = await Client.dial(address);
    expect(await next.call("Faulty.pid")).not.toBe(first);
    await next.close();
    const events = ["uncaught", "worker-lost"].map(
      (event) => logged(server, event).length,
    );
    expect(events).toEqual([1, 1]);
  });
});

test("the environment's twins are the parent's, and its services see them", async () => {
  await Bun.write(
    join(folder, "env.ts"),
    `console.log("loaded");
     export class Env { workers() { return process.env.GEERPC_WORKERS; } }`,
  );
  await using server = new Program(
    [process.execPath, main, "server", "env.ts"],
    { cwd: folder, env: { GEERPC_WORKERS: "2" } },
  );
  const address = await server.listening();
  const client = await Client.dial(address);
  expect(await client.call("Env.workers")).toBe("2");
  await client.close();
  // What the file writes to the console is no result.
  expect(server.stdout).toBe(`${JSON.stringify({ listening: address })}\n`);
  expect(server.stderr.match(/^loaded$/gm)).toHaveLength(2);
});

test("the executable's workers are itself", async () => {
  const { path, remove } = await buildExecutable();
  try {
    await using server = new Program([path, "server", "--workers=2"], {
      cwd: folder,
    });
    const clients = await connectionTo(await server.listening(), 2);
    await closeAll(clients);
    server.signal("SIGTERM");
    expect((await server.ended()).code).toBe(0);
    for (const pid of clients.keys()) expect(isAlive(pid)).toBe(false);
  } finally {
    await remove();
  }
});
