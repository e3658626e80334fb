import { loadavg } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { createCodec } from "../../src/codec/table.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { Recorder } from "../codec/recorder.ts";
import { buildExecutable, Program } from "../support/geerpc.ts";
import { seeded } from "../../src/base/random.ts";
import {
  boundless,
  callBytes,
  type Dialect,
  hostileGob,
  type HostileLine,
  hostileJson,
} from "../integration/hostile-lines.ts";

// What `bun run soak` runs: figures that take time, each beside its target.
// Exits 1 when one is missed. Memory is read from /proc, so Linux only.

const main = join(import.meta.dir, "../../src/main.ts");
const mib = 1024 * 1024;

interface Figure {
  what: string;
  measured: number;
  target: number;
  unit: string;
}

const figures: Figure[] = [];

function report(what: string, measured: number, target: number, unit: string) {
  figures.push({ what, measured, target, unit });
  const verdict = measured <= target ? "ok" : "MISSED";
  console.log(
    `${what}: ${measured.toFixed(2)} ${unit}, at most ${target}: ${verdict}`,
  );
}

async function rssBytes(pid: number): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Lets memory that only waits to be freed go, here and in the server. */
async function settle(): Promise<void> {
  Bun.gc(true);
  await Bun.sleep(3_000);
}

function startServer(): Program {
  return new Program([process.execPath, main, "server"], {
    cwd: import.meta.dir,
  });
}

async function idleConnections(): Promise<void> {
  await using server = startServer();
  const address = await server.listening();
  const warm = await Client.dial(address);
  await warm.call("Foo.Sum", { Num1: 1, Num2: 2 });
  await settle();
  const before = (await rssBytes(server.pid)) + process.memoryUsage.rss();
  const clients: Client[] = [];
  for (let count = 0; count < 1_000; count++) {
    clients.push(await Client.dial(address));
  }
  await settle();
  const after = (await rssBytes(server.pid)) + process.memoryUsage.rss();
  report(
    "1,000 idle connections, both ends",
    (after - before) / mib,
    32,
    "MiB",
  );
  await Promise.all([...clients, warm].map((client) => client.close()));
}

/** A message in pieces of one byte: four times the length may cost about four times the time. */
function oneByteWrites(): void {
  const timeOf = (bytes: number): number => {
    const context = { limits: defaultLimits, bodies: [] };
    const dial = createCodec("application/json", { role: "dial", ...context });
    const accept = createCodec("application/json", {
      role: "accept",
      ...context,
    });
    const out = new SendBuffer();
    const head = {
      seq: 1,
      serviceMethod: "Foo.Echo",
      timeoutMs: 0,
      sentAtMs: 0,
      oneWay: false,
    };
    dial.writeRequest(out, head, "x".repeat(bytes));
    const message = out.pending();
    const recorder = new Recorder();
    const startedAt = performance.now();
    for (let at = 0; at < message.length; at++) {
      accept.push(message.subarray(at, at + 1));
      while (accept.read(recorder));
    }
    if (recorder.told.length !== 1) throw new Error("the message did not come");
    return performance.now() - startedAt;
  };
  timeOf(mib / 4);
  const ratios = Array.from(
    { length: 5 },
    () => timeOf(3.9 * mib) / timeOf(mib),
  );
  const median = ratios.sort((a, b) => a - b)[2] as number;
  report("3.9 MiB byte by byte, against 1 MiB", median, 3.9 * 1.5, "times");
}

const strangers: ((address: string, round: number) => Promise<void>)[] = [
  (address, round) => visit(address, randomBytes(round, 4096)),
  (address) => visit(address, Buffer.from("GET / HTTP/1.1\r\n\r\n")),
  (address) => visit(address, Buffer.from("16030100a5010000a1", "hex")),
  (address) => visit(address, Buffer.alloc(mib, '{"MagicNumber":"')),
  (address) => visit(address, frameOf4GiB()),
];

async function visit(address: string, bytes: Uint8Array): Promise<void> {
  const pipe = await dialPipe(parseAddress(address), { timeoutMs: 5_000 });
  const { promise, resolve } = Promise.withResolvers<void>();
  let at = 0;
  const send = () => {
    at += pipe.write(bytes.subarray(at));
    if (at === bytes.length) pipe.shutdown();
  };
  pipe.attach({
    data() {},
    drain: send,
    end: () => pipe.shutdown(),
    close: () => resolve(),
  });
  send();
  await promise;
}

function randomBytes(seed: number, length: number): Uint8Array {
  const random = seeded(seed);
  return Uint8Array.from({ length }, () => random() * 256);
}

function frameOf4GiB(): Uint8Array {
  const option = `{"MagicNumber":3927900,"CodecType":"application/x-geerpc"}\n`;
  const frame = Buffer.alloc(16, 0xff);
  frame[0] = 2;
  return Buffer.concat([Buffer.from(option), frame]);
}

async function badInput(): Promise<void> {
  await using server = startServer();
  const address = await server.listening();
  await using bystander = await Client.dial(address);
  const round = async (number: number) => {
    for (const stranger of strangers) await stranger(address, number);
    await bystander.call("Foo.Sum", { Num1: number, Num2: 1 });
  };
  for (let number = 0; number < 50; number++) await round(number);
  const before = await rssBytes(server.pid);
  for (let number = 50; number < 1_050; number++) await round(number);
  await Bun.sleep(30_000);
  const after = await rssBytes(server.pid);
  report(
    "memory 30 s after 1,000 rounds of bad input",
    (after - before) / mib,
    32,
    "MiB",
  );
}

function isIllFormed({ isWellFormed }: HostileLine): boolean {
  return isWellFormed !== true;
}

/** The hostile lines of Go's protocols, each on a connection of its own, while another one asks and asks. */
async function hostileGo(): Promise<void> {
  const dialects: Dialect[] = ["gob", "net/rpc"];
  const lines = [
    ...dialects.flatMap((dialect) =>
      hostileGob.filter(isIllFormed).map((line) => ({
        what: `${dialect}, ${line.name}`,
        bytes: callBytes(dialect, boundless(), line),
      })),
    ),
    ...hostileJson.filter(isIllFormed).map(({ name, text }) => ({
      what: `JSON-RPC, ${name}`,
      bytes: Buffer.from(text()),
    })),
  ];
  // Made before anything is measured, and the garbage of it gone.
  Bun.gc(true);
  await using server = startServer();
  const address = await server.listening();
  await using bystander = await Client.dial(address);
  let isOver = false;
  /** The longest wait by line. */
  const waits = new Map<string, number>();
  let what = "";
  const asking = (async () => {
    while (!isOver) {
      const startedAt = performance.now();
      const startedIn = what;
      await bystander.call("Foo.Sum", { Num1: 1, Num2: 2 });
      const ms = performance.now() - startedAt;
      waits.set(startedIn, Math.max(ms, waits.get(startedIn) ?? 0));
      await Bun.sleep(1);
    }
  })();
  const round = async () => {
    for (const line of lines) {
      what = line.what;
      await visit(address, line.bytes);
      // What the server still does with them belongs to this line.
      await bystander.call("Foo.Sum", { Num1: 1, Num2: 2 });
    }
  };
  await round();
  await Bun.sleep(3_000);
  const before = await rssBytes(server.pid);
  waits.clear();
  for (let count = 0; count < 5; count++) await round();
  isOver = true;
  await asking;
  for (const protocol of [...dialects, "JSON-RPC"]) {
    const [[worst, ms] = ["nothing", 0]] = [...waits]
      .filter(([line]) => line.startsWith(`${protocol}, `))
      .sort(([, one], [, other]) => other - one);
    report(`worst wait of another connection, in ${worst}`, ms, 100, "ms");
  }
  await Bun.sleep(30_000);
  const after = await rssBytes(server.pid);
  report(
    "memory 30 s after 5 rounds of them",
    (after - before) / mib,
    32,
    "MiB",
  );
}

async function startTime(): Promise<void> {
  const { path, remove } = await buildExecutable();
  const times: number[] = [];
  for (let run = 0; run < 21; run++) {
    const startedAt = performance.now();
    await Program.run([path, "--version"], { cwd: import.meta.dir });
    times.push(performance.now() - startedAt);
  }
  await remove();
  const median = times.sort((a, b) => a - b)[10] as number;
  report("geerpc --version, median of 21", median, 30, "ms");
}

console.log(
  `load ${loadavg()
    .map((value) => value.toFixed(2))
    .join(" ")}`,
);
await startTime();
oneByteWrites();
await idleConnections();
await badInput();
await hostileGo();
console.log(
  `load ${loadavg()
    .map((value) => value.toFixed(2))
    .join(" ")}`,
);
const missed = figures.filter(({ measured, target }) => measured > target);
process.exitCode = missed.length > 0 ? 1 : 0;
