import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { Program } from "../support/geerpc.ts";

// What nobody catches, in a process of its own: Bun would end it at once.

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-faults-"));
});
afterAll(() => rm(folder, { recursive: true }));

const main = join(import.meta.dir, "../../src/main.ts");
const source = `
export class Bad {
  reject() { void Promise.reject(new Error("nobody waited")); return "left"; }
  throw() { queueMicrotask(() => { throw new Error("nobody caught"); }); return "left"; }
  async slow() { await Bun.sleep(200); return "done"; }
}`;

test.each([
  ["reject", "nobody waited"],
  ["throw", "nobody caught"],
])(
  "a service that %ss: calls finish, one line, exit 1",
  async (method, text) => {
    const file = join(folder, `${method}.ts`);
    await Bun.write(file, source);
    await using server = new Program([process.execPath, main, "server", file], {
      cwd: folder,
    });
    await using client = await Client.dial(await server.listening());
    const slow = client.call<string>("Bad.slow");
    expect(await client.call<string>(`Bad.${method}`)).toBe("left");
    expect(await slow).toBe("done");
    const { code, stderr, stdout } = await server.ended();
    expect(code).toBe(1);
    expect(stdout.trim().split("\n")).toHaveLength(1);
    const errors = stderr
      .split("\n")
      .filter((line) => line.includes(" error "));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain(text);
    expect(stderr).not.toContain("    at ");
  },
);
