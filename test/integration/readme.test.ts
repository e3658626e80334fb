import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  mkdir,
  mkdtemp,
  readFile,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageManager, scripts } from "../../package.json";
import { type Etcd, isEtcdMissing, startEtcd } from "../support/etcd.ts";
import { Program } from "../support/geerpc.ts";

setDefaultTimeout(60_000);

const root = join(import.meta.dir, "../..");
const readme = await readFile(join(root, "README.md"), "utf8");

interface Block {
  language: string;
  text: string;
}

const blocks: Block[] = [
  ...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm),
].map(([, language = "", text = ""]) => ({ language, text }));

function textsOf(language: string): string[] {
  return blocks.filter((b) => b.language === language).map((b) => b.text);
}

/** The name that a block gives itself in its first line. */
function nameOf(text: string): string {
  return /^\/\/ (\S+)\n/.exec(text)?.[1] ?? "";
}

/** The token files that the README speaks of. */
const tokenFiles = {
  owners: `billing ${"b".repeat(32)}\nstock ${"s".repeat(32)}\n`,
  billing: `${"b".repeat(32)}\n`,
  readers: `${"r".repeat(32)}\n`,
};

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "geerpc-readme-"));
  await mkdir(join(folder, "node_modules"));
  await symlink(root, join(folder, "node_modules", "geerpc"));
  for (const text of textsOf("ts")) {
    await writeFile(join(folder, nameOf(text)), text);
  }
  for (const [name, text] of Object.entries(tokenFiles)) {
    await writeFile(join(folder, name), text);
  }
});
afterAll(() => rm(folder, { recursive: true }));

test("each TypeScript block has a name and runs, and prints what it says", async () => {
  const texts = textsOf("ts");
  expect(texts.length).toBeGreaterThan(2);
  for (const text of texts) {
    const { code, stdout, stderr } = await Program.run(
      [process.execPath, nameOf(text)],
      { cwd: folder },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const printed = [
      ...text.matchAll(/console\.log\(.*\); \/\/ (\w+(?: \w+)*)/g),
    ];
    expect(stdout.split("\n").slice(0, -1)).toEqual(
      printed.flatMap(([, values = ""]) => values.split(" ")),
    );
  }
});

// The two are run as they stand by .ci/run.
test("the commands for a machine with Node name this Bun and these scripts", () => {
  const commands = [...readme.matchAll(/^npx -y (\S+) run (\w+)$/gm)];
  expect(commands.map(([, bun, script]) => [bun, script])).toEqual([
    [packageManager, "demo"],
    [packageManager, "test"],
  ]);
  for (const [, script] of readme.matchAll(/`bun run ([\w:]+)`/g)) {
    expect(Object.keys(scripts)).toContain(script as string);
  }
});

test("the programs in Go are those that test/interop runs", async () => {
  const folder = join(root, "test/interop/go");
  const files = ["readme-client/main.go", "readme-server/main.go"];
  const texts = files.map((file) => readFile(join(folder, file), "utf8"));
  expect(textsOf("go")).toEqual(await Promise.all(texts));
  const service = await readFile(
    join(folder, "readme-client/arith.ts"),
    "utf8",
  );
  expect(textsOf("ts")).toContain(`// quotient.ts\n${service}`);
});

/** The commands of one block, one after the other; servers stay until all have run. */
class Session implements AsyncDisposable {
  readonly #running: Program[] = [];
  /** What the README calls an address, and where it is in this run. */
  readonly #addresses: Map<string, string>;
  /** What the README exports, as it stands there. */
  readonly #exports = new Map<string, string>();

  /** @param addresses those that are there already */
  constructor(addresses: Iterable<[string, string]> = []) {
    this.#addresses = new Map(addresses);
  }

  async run(line: string): Promise<void> {
    const [, command = "", expected] = /^(.*?)(?:\s+# (.*))?$/.exec(line) ?? [];
    const [, name, value] = /^export (\w+)=(.*)$/.exec(command) ?? [];
    if (name !== undefined) {
      this.#exports.set(name, value as string);
      return;
    }
    const words = this.#wordsOf(command);
    if (["registry", "server"].includes(words[1] ?? "")) {
      await this.#start(words);
      return;
    }
    const bar = words.indexOf("|");
    const input = words.slice(0, Math.max(bar, 0));
    const { code, stdout, stderr } = await Program.run(
      resolve(words.slice(bar + 1)),
      {
        cwd: folder,
        // A measurement takes seconds; its twin in the environment makes it short.
        env: { ...this.#env(), GEERPC_DURATION: "300ms" },
        ...(bar > 0 && {
          stdin: (await Program.run(input, { cwd: folder })).stdout,
        }),
      },
    );
    expect({ line, code, stderr }).toEqual({
      line,
      code: 0,
      stderr: words[0] === "curl" ? expect.any(String) : "",
    });
    expect(stdout).not.toBe("");
    // A line behind the other; the README writes them beside each other.
    if (expected !== undefined) {
      expect(stdout.trim().split("\n")).toEqual(expected.split(" "));
    }
  }

  async #start(words: string[]): Promise<void> {
    const at = words.indexOf("--listen") + 1;
    const named = at > 0 ? (words[at] as string) : undefined;
    if (named !== undefined) words[at] = "127.0.0.1:0";
    const env = this.#env();
    const program = new Program(resolve(words), { cwd: folder, env });
    this.#running.push(program);
    const listening = await program.listening();
    const address = /[\d.]+:\d+/.exec(listening)?.[0];
    if (named !== undefined) this.#addresses.set(named, address as string);
  }

  #env(): Record<string, string> {
    return Object.fromEntries(
      [...this.#exports].map(([name, value]) => [name, this.#here(value)]),
    );
  }

  /** `text` with the addresses of this run. */
  #here(text: string): string {
    return [...this.#addresses].reduce(
      (done, [named, address]) => done.replaceAll(named, address),
      text,
    );
  }

  #wordsOf(command: string): string[] {
    return [...this.#here(command).matchAll(/'([^']*)'|(\S+)/g)].map(
      ([, quoted, plain]) => quoted ?? plain ?? "",
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#running.reverse()) {
      await program[Symbol.asyncDispose]();
    }
  }
}

function resolve([program = "", ...args]: string[]): string[] {
  return program === "geerpc"
    ? [process.execPath, join(root, "src/main.ts"), ...args]
    : [program, "-sf", ...args];
}

/** The nodes of an etcd under the addresses that the README gives them. */
function etcdAddresses(session: string, { endpoints }: Etcd) {
  const [, hosts = ""] = /etcd:\/\/([^/]+)/.exec(session) ?? [];
  return hosts
    .split(",")
    .map((host, index): [string, string] => [
      host,
      new URL(endpoints[index] as string).host,
    ]);
}

const sessions = textsOf("sh").filter((text) => !text.startsWith("npx "));

test("there are commands to run", () => {
  expect(sessions.length).toBeGreaterThan(3);
});

for (const session of sessions) {
  const isOnEtcd = session.includes("etcd://");
  const lines = session.trim().split("\n");
  test.skipIf(isOnEtcd && isEtcdMissing)(
    `the commands run: ${lines[0]}`,
    async () => {
      await using etcd = isOnEtcd ? await startEtcd(3) : undefined;
      await using running = new Session(etcd && etcdAddresses(session, etcd));
      for (const line of lines) await running.run(line);
    },
  );
}
