import { expect, setDefaultTimeout, test } from "bun:test";
import { Client } from "../../src/client/client.ts";
import type { RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import { blob } from "./blobs.ts";
import { Diary } from "./diary.ts";
import { type Demand, Unreader } from "./unreader.ts";

setDefaultTimeout(30_000);

const kib = 1024;
const peerCount = 5;

/** A service that counts the bytes that it has answered. */
class Source {
  givenBytes = 0;
  running = 0;

  blob(bytes: number): Uint8Array {
    this.givenBytes += bytes;
    return blob(this.givenBytes, bytes);
  }

  same(value: Uint8Array): Uint8Array {
    this.givenBytes += value.length;
    return value;
  }

  async *endless(bytes: number): AsyncGenerator<Uint8Array, void> {
    this.running++;
    try {
      for (;;) yield this.blob(bytes);
    } finally {
      this.running--;
    }
  }
}

/** With whether the requests alone are more than the kernel keeps. */
const demands: [string, Demand, boolean][] = [
  [
    "long replies",
    { serviceMethod: "Source.blob", args: 1024 * kib, count: 200 },
    false,
  ],
  [
    "short ones",
    {
      serviceMethod: "Source.same",
      args: new Uint8Array(32 * kib),
      count: 600,
    },
    true,
  ],
  [
    "streams",
    { serviceMethod: "Source.endless", args: 64 * kib, count: 2 },
    false,
  ],
];

test.each(demands)(
  "peers that ask for %s and never read are paused, then cut; others are served meanwhile",
  async (_name, demand, isLong) => {
    const source = new Source();
    const cuts: RpcError[] = [];
    const diary = new Diary();
    await using server = new Server({
      limits: { stallTimeoutMs: 500, maxQueuedBytes: 64 * kib },
      // Which would cut them, too, some time.
      keepAlive: { busyMs: 0, idleMs: 0 },
      onEvent: (event) => {
        if (event.kind !== "connection-cut") return;
        cuts.push(event.error);
        diary.write("cut");
      },
    });
    server
      .register(source)
      .register({ same: (value: unknown) => value }, "Other");
    const address = await server.listen();
    await using bystander = await Client.dial(address);
    const peers = await Promise.all(
      Array.from({ length: peerCount }, () => Unreader.dial(address, demand)),
    );
    let isOver = false;
    const asking = (async () => {
      while (!isOver) expect(await bystander.call("Other.same", 1)).toBe(1);
    })();
    await diary.until("cut", peerCount);
    isOver = true;
    await asking;

    expect(cuts.map(({ code }) => code)).toEqual(
      peers.map(() => "unavailable"),
    );
    expect(server.connectionCount).toBe(1);
    // Each asks for 18 MiB or more; some are kept by the kernel.
    expect(source.givenBytes).toBeGreaterThan(0);
    expect(source.givenBytes).toBeLessThan(peerCount * 12 * 1024 * kib);
    expect(source.running).toBe(0);
    expect(peers.map(({ hasSentAll }) => hasSentAll)).toEqual(
      peers.map(() => !isLong),
    );
    for (const peer of peers) peer.abort();
    await Promise.all(peers.map(({ closed }) => closed));
  },
);
