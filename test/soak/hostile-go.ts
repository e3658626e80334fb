import { Client } from "../../src/client/client.ts";
import {
  boundless,
  callBytes,
  type Dialect,
  hostileGob,
  type HostileLine,
  hostileJson,
} from "../integration/hostile-lines.ts";
import { mib, report } from "./figures.ts";
import { rssBytes, startServer } from "./process.ts";
import { visit } from "./visit.ts";

function isIllFormed({ isWellFormed }: HostileLine): boolean {
  return isWellFormed !== true;
}

/** The hostile lines of Go's protocols, each on a connection of its own, while another one asks and asks. */
export async function hostileGo(): Promise<void> {
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
    report(
      `worst wait of another connection, in ${worst}`,
      ms,
      { atMost: 100 },
      "ms",
    );
  }
  await Bun.sleep(30_000);
  const after = await rssBytes(server.pid);
  report(
    "memory 30 s after 5 rounds of them",
    (after - before) / mib,
    { atMost: 32 },
    "MiB",
  );
}
