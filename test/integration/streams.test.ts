import {
  afterAll,
  afterEach,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { blobs, Checksum } from "./blobs.ts";
import { Diary } from "./diary.ts";
import { Streams } from "./streams.ts";

setDefaultTimeout(30_000);

const kib = 1024;
const folder = mkdtempSync(join(tmpdir(), "geerpc-streams-"));
afterAll(() => rmSync(folder, { recursive: true }));

const addresses = [
  "tcp@127.0.0.1:0",
  `unix@${folder}/streams.sock`,
  "http@127.0.0.1:0",
];

/** 1, 2 … `to`, with a note of its end. */
async function* numbers(to: number, diary = new Diary()) {
  try {
    for (let number = 1; number <= to; number++) yield number;
  } finally {
    diary.write("argument ended");
  }
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function range(to: number): number[] {
  return Array.from({ length: to }, (_, at) => at + 1);
}

for (const listenAt of addresses) {
  const { protocol } = parseAddress(listenAt);
  describe(`${protocol}@`, () => {
    let server: Server;
    let service: Streams;
    let client: Client;
    let remote: ReturnType<typeof remoteOf>;

    const remoteOf = () => client.as<{ Streams: Streams }>().Streams;

    beforeEach(async () => {
      service = new Streams();
      server = new Server().register(service);
      // No time limit: a slow machine is no failure.
      client = await Client.dial(await server.listen(listenAt), {
        callTimeoutMs: 0,
      });
      remote = remoteOf();
    });
    afterEach(async () => {
      await client.close();
      await server.close();
    });

    test("a reply's items come in order, and then its end", async () => {
      expect(await listOf(remote.count(5_000))).toEqual(range(5_000));
      expect(await listOf(remote.count(0))).toEqual([]);
      expect(client.inFlight).toBe(0);
    });

    test("an argument's items come in order, and then its end", async () => {
      expect(await remote.total(numbers(5_000))).toBe(12_502_500);
      expect(await remote.total(numbers(0))).toBe(0);
    });

    test("both ways at once: an answer to each item before the next one is sent", async () => {
      const diary = new Diary();
      async function* asked() {
        for (let number = 1; number <= 100; number++) {
          yield number;
          await diary.until(`read ${number}`);
        }
      }
      const read: unknown[] = [];
      for await (const item of remote.echo(asked())) {
        read.push(item);
        diary.write(`read ${String(item)}`);
      }
      expect(read).toEqual(range(100));
    });

    for (const [name, bytes, count] of [
      ["64 KiB", 64 * kib, 64],
      ["1 MiB", 1024 * kib, 8],
      ["1 byte", 1, 3_000],
    ] as const) {
      test(`items of ${name}: what is sent is what is read, in each direction`, async () => {
        const expected = await Checksum.of(blobs(count, bytes));
        const reply = remote.blobs({ count, bytes });
        expect(await Checksum.of(reply)).toBe(expected);
        expect(await remote.checksum(blobs(count, bytes))).toBe(expected);
        const echo = remote.echo(blobs(count, bytes));
        expect(await Checksum.of(echo as AsyncIterable<Uint8Array>)).toBe(
          expected,
        );
      });
    }

    test("break cancels: the generator's finally runs", async () => {
      for await (const number of remote.count(1e9)) {
        if (number === 3) break;
      }
      await service.diary.until("count ended");
      expect(service.yielded).toBeLessThan(1e6);
      expect(client.inFlight).toBe(0);
      expect(await remote.same("on")).toBe("on");
    });

    test("break out of an echo ends the argument, too", async () => {
      const diary = new Diary();
      for await (const item of remote.echo(numbers(1e9, diary))) {
        if (item === 3) break;
      }
      await service.diary.until("echo ended");
      await diary.until("argument ended");
    });

    test("a handler that reads on no more ends the argument", async () => {
      const diary = new Diary();
      expect(await remote.first(numbers(1e9, diary))).toBe(1);
      await diary.until("argument ended");
    });

    test("an error comes behind the items that were sent before it", async () => {
      const items = await remote.failing(2_000);
      const read: number[] = [];
      const error = await (async () => {
        for await (const item of items) read.push(item);
        return undefined;
      })().catch((thrown) => thrown);
      expect(read).toEqual(range(2_000));
      expect(error).toBeInstanceOf(RpcError);
      expect(error).toMatchObject({
        code: "data_loss",
        message: "100% lost",
        details: { count: 2_000 },
      });
    });

    test("an argument that throws fails its call, and the handler's reading", async () => {
      const diary = new Diary();
      async function* broken() {
        yield 1;
        await diary.until("read");
        throw new RpcError("aborted", "no more");
      }
      const items = (await remote.echo(broken()))[Symbol.asyncIterator]();
      expect((await items.next()).value).toBe(1);
      diary.write("read");
      const error = await items.next().catch((thrown) => thrown);
      expect(error).toMatchObject({ code: "aborted" });
      await service.diary.until("echo ended");
    });

    test("calls go on beside streams that stand, which go on where they stood", async () => {
      const reply = (await remote.count(50_000))[Symbol.asyncIterator]();
      expect(await reply.next()).toEqual({ done: false, value: 1 });
      const controller = new AbortController();
      const stalled = remote.stall(numbers(1e9), { signal: controller.signal });
      await service.diary.until("stalled");
      for (let round = 0; round < 50; round++) {
        const body = "b".repeat(100 * kib);
        expect(await remote.same(round)).toBe(round);
        expect(await remote.same(body)).toBe(body);
      }
      // An item takes 64 bytes of a window of 1 MiB.
      expect(service.yielded).toBeLessThanOrEqual(16 * kib + 2);
      const rest = await listOf({ [Symbol.asyncIterator]: () => reply });
      expect(rest).toEqual(range(50_000).slice(1));
      controller.abort();
      await expect(stalled).rejects.toMatchObject({ code: "cancelled" });
      await service.diary.until("stall ended: cancelled");
    });

    test("100 streams at once are not mixed", async () => {
      const outcomes = await Promise.all(
        range(100).map((each): Promise<unknown> => {
          if (each % 3 === 0) return listOf(remote.count(each * 10));
          if (each % 3 === 1) return remote.total(numbers(each * 10));
          return listOf(remote.echo(numbers(each * 10)));
        }),
      );
      expect(outcomes).toEqual(
        range(100).map((each) =>
          each % 3 === 1 ? (each * 10 * (each * 10 + 1)) / 2 : range(each * 10),
        ),
      );
      expect(client.inFlight).toBe(0);
    });

    test("a connection that is lost fails both ends of its streams", async () => {
      const items = (await remote.echo(numbers(1e9)))[Symbol.asyncIterator]();
      await items.next();
      const closed = server.close();
      const readToEnd = async () => {
        while (!(await items.next()).done);
      };
      const error = await readToEnd().catch((thrown) => thrown);
      expect(error).toMatchObject({ code: "unavailable" });
      await service.diary.until("echo ended");
      await closed;
    });
  });
}
