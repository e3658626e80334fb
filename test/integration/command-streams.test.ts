import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { Program } from "../support/geerpc.ts";

setDefaultTimeout(30_000);

const geerpc = [process.execPath, join(import.meta.dir, "../../src/main.ts")];
const blockCount = 3_000;

let folder: string;
let server: Program;
let at: string[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-streams-"));
  await Bun.write(
    join(folder, "streams.ts"),
    `const sent = new Map();
     export class Streams {
       async *open(name, { signal }) {
         try {
           yield 1;
           yield 2;
           await new Promise((resolve) => signal.addEventListener("abort", resolve));
         } finally {
           console.log(name, "ended:", signal.reason?.code);
         }
       }
       async *ticks(name, { signal }) {
         try {
           for (let number = 1; ; number++) {
             yield number;
             await Bun.sleep(5);
           }
         } finally {
           console.log(name, "ended:", signal.reason?.code);
         }
       }
       async *blocks(name) {
         for (let number = 1; number <= ${blockCount}; number++) {
           sent.set(name, number);
           yield "x".repeat(10_000);
         }
       }
       sent(name) { return sent.get(name); }
     }`,
  );
  server = new Program([...geerpc, "server", "streams.ts"], { cwd: folder });
  at = ["--server", await server.listening()];
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function start(...args: string[]): Program {
  return new Program([...geerpc, "client", ...args, ...at], { cwd: folder });
}

/** A client whose standard streams are the test's own. */
function spawn(
  args: string[],
  stdin: "pipe" | "ignore",
  stdout: "pipe" | number,
) {
  const command = [...geerpc, "client", ...args, ...at];
  const options = { cwd: folder, stderr: "pipe" } as const;
  return Bun.spawn(command, { ...options, stdin, stdout });
}

/** A pipe with a name, from which nobody reads but the test. */
async function makePipe(name: string): Promise<number> {
  const path = join(folder, name);
  expect((await Program.run(["mkfifo", path], { cwd: folder })).code).toBe(0);
  return openSync(path, constants.O_RDWR);
}

test("Ctrl-C cancels a stream at the server, whose generator ends, and is 130", async () => {
  await using client = start("Streams.open", '"interrupted"');
  await client.stdoutLine(/^2$/m);
  client.signal("SIGINT");
  expect(await client.ended()).toEqual({
    code: 130,
    stdout: "1\n2\n",
    stderr: "",
  });
  await server.stderrLine(/^interrupted ended: cancelled$/m);
});

test("a reader that leaves after one line cancels it, too, and nothing is said", async () => {
  const client = [...geerpc, "client", "Streams.ticks", '"left"', ...at];
  const quoted = client.map((word) => `'${word}'`).join(" ");
  const script = `{ ${quoted}; echo "exit $?" >&2; } | head -n 1`;
  const { stdout, stderr } = await Program.run(["sh", "-c", script], {
    cwd: folder,
  });
  expect(stdout).toBe("1\n");
  expect(stderr).toBe("exit 0\n");
  await server.stderrLine(/^left ended: cancelled$/m);
});

test("a reader that does not read stops the server's generator, and not the end by Ctrl-C", async () => {
  const pipe = await makePipe("unread");
  const slow = spawn(["Streams.blocks", '"slow"'], "ignore", pipe);
  try {
    await using client = await Client.dial(at[1] as string);
    // Meanwhile another one reads all of them.
    const fast = await start("Streams.blocks", '"fast"').ended();
    expect(fast.stdout.trim().split("\n")).toHaveLength(blockCount);
    const sent = (await client.call("Streams.sent", "slow")) as number;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(blockCount / 2);
    const line = Buffer.alloc(20_000);
    expect(readSync(pipe, line)).toBeGreaterThan(0);
    slow.kill("SIGINT");
    expect(await slow.exited).toBe(130);
  } finally {
    slow.kill("SIGKILL");
    closeSync(pipe);
  }
});

test("--items sends a line as it comes, and does not wait for more when the call is over", async () => {
  const client = spawn(["_geerpc.list", "--items"], "pipe", "pipe");
  // The method does not read its argument: stdin stays open.
  expect(await client.exited).toBe(0);

  await using demo = new Program([...geerpc, "server"], { cwd: folder });
  const by = ["--server", await demo.listening()];
  const command = [...geerpc, "client", "Foo.Double", "--items", ...by];
  const doubling = Bun.spawn(command, {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  const reader = doubling.stdout.getReader();
  for (const number of [1, 2, 3]) {
    doubling.stdin.write(`${number}\n`);
    doubling.stdin.flush();
    const { value } = await reader.read();
    expect(new TextDecoder().decode(value)).toBe(`${2 * number}\n`);
  }
  doubling.stdin.end();
  expect(await doubling.exited).toBe(0);
});
