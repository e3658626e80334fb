import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "../../src/client/client.ts";
import { binaryCodecType, jsonCodecType } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { Server } from "../../src/server/server.ts";
import type { Context } from "../../src/service/context.ts";
import { parseAddress } from "../../src/transport/address.ts";

class Foo {
  readonly peers = new Set<string>();

  sum({ a, b }: { a: number; b: number }, { peer }: Context): number {
    this.peers.add(peer.address);
    return a + b;
  }

  async later(args: unknown): Promise<unknown> {
    await Promise.resolve();
    return args;
  }

  fail({ code }: { code: "not_found" }): never {
    throw new RpcError(code, "100% broken", { details: { why: "a test" } });
  }

  bytes(length: number): Uint8Array {
    return new Uint8Array(length).fill(7);
  }

  /** Ends when nobody waits any more. */
  async wait(_args: unknown, { signal }: Context): Promise<string> {
    this.waiting.resolve(signal);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return "aborted";
  }

  waiting = Promise.withResolvers<AbortSignal>();
}

const mib = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), "geerpc-calls-"));
afterAll(() => rmSync(folder, { recursive: true }));

const addresses = [
  "tcp@127.0.0.1:0",
  `unix@${folder}/calls.sock`,
  "http@127.0.0.1:0",
];

for (const listenAt of addresses) {
  const { protocol } = parseAddress(listenAt);
  for (const codec of [binaryCodecType, jsonCodecType]) {
    describe(`${protocol}@, ${codec}`, () => {
      let server: Server;
      let foo: Foo;
      let address: string;

      beforeAll(async () => {
        foo = new Foo();
        server = new Server().register(foo);
        address = await server.listen(listenAt);
        expect(parseAddress(address).protocol).toBe(protocol);
      });
      afterAll(() => server.close());

      // No time limit: a slow machine is no failure.
      const dial = () => Client.dial(address, { codec, callTimeoutMs: 0 });

      test("calls and their replies, at once and later, are not mixed", async () => {
        await using client = await dial();
        const calls = Array.from({ length: 500 }, (_, a) =>
          a % 2 === 0
            ? client.call("Foo.sum", { a, b: 1 })
            : client.call("Foo.later", a + 1),
        );
        expect(await Promise.all(calls)).toEqual(
          Array.from({ length: 500 }, (_, a) => a + 1),
        );
      });

      test("errors keep their code and text, and the connection goes on", async () => {
        await using client = await dial();
        const failed = client.call("Foo.fail", { code: "not_found" });
        await expect(failed).rejects.toMatchObject({
          code: "not_found",
          message: "100% broken",
        });
        const cases: [string, unknown, string][] = [
          ["Foo.nope", 0, "unimplemented"],
          ["Nope.sum", 0, "unimplemented"],
          ["Foo.constructor", 0, "unimplemented"],
          ["sum", 0, "invalid_argument"],
          ["Foo.sum", null, "unknown"],
          ["Foo.sum", () => {}, "invalid_argument"],
        ];
        for (const [serviceMethod, args, code] of cases) {
          const call = client.call(serviceMethod, args);
          await expect(call).rejects.toMatchObject({ code });
        }
        expect(await client.call("Foo.sum", { a: 1, b: 2 })).toBe(3);
      });

      test("4 MiB there and back; a byte more is resource_exhausted", async () => {
        await using client = await dial();
        // As JSON a text has two quotes more.
        const text = "t".repeat(4 * mib - 2);
        expect(await client.call("Foo.later", text)).toBe(text);
        await expect(
          client.call("Foo.later", `${text}t`),
        ).rejects.toMatchObject({
          code: "resource_exhausted",
        });
        expect(await client.call("Foo.later", 1)).toBe(1);
      });

      test("many large calls at a time, on several connections", async () => {
        const clients = await Promise.all([dial(), dial(), dial()]);
        const bodies = Array.from({ length: 12 }, (_, at) =>
          `${at}`.repeat(300_000),
        );
        const replies = await Promise.all(
          bodies.map((body, at) =>
            (clients[at % 3] as Client).call("Foo.later", body),
          ),
        );
        expect(replies).toEqual(bodies);
        await Promise.all(clients.map((client) => client.close()));
      });

      test("256 echoes of 64 KiB in flight on one connection", async () => {
        await using client = await dial();
        const body = "e".repeat(64 * 1024);
        const replies = await Promise.all(
          Array.from({ length: 256 }, (_, at) =>
            client.call("Foo.later", `${at}${body}`),
          ),
        );
        replies.forEach((reply, at) => expect(reply).toBe(`${at}${body}`));
      });

      test("100 connections, each with its own calls", async () => {
        foo.peers.clear();
        const clients = await Promise.all(Array.from({ length: 100 }, dial));
        const sums = await Promise.all(
          clients.map((client, a) => client.call("Foo.sum", { a, b: a })),
        );
        expect(sums).toEqual(clients.map((_, a) => 2 * a));
        expect(server.connectionCount).toBeGreaterThanOrEqual(100);
        // Ports tell connections apart; a unix socket's peers have no name.
        expect(foo.peers.size).toBe(protocol === "unix" ? 1 : 100);
        await Promise.all(clients.map((client) => client.close()));
      });

      test("a connection that is lost aborts its handlers", async () => {
        foo.waiting = Promise.withResolvers();
        const client = await dial();
        const call = client.go("Foo.wait", 0, { timeoutMs: 0 });
        const signal = await foo.waiting.promise;
        const aborted = new Promise((resolve) =>
          signal.addEventListener("abort", resolve),
        );
        await client.close();
        await aborted;
        expect((await call.done).error).toMatchObject({
          code: "unavailable",
          sent: true,
        });
      });

      test("a server that closes fails the calls in flight", async () => {
        const other = new Server().register(foo);
        const place =
          protocol === "unix" ? `unix@${folder}/other.sock` : listenAt;
        const client = await Client.dial(await other.listen(place), { codec });
        foo.waiting = Promise.withResolvers();
        const call = client.go("Foo.wait", 0, { timeoutMs: 0 });
        const signal = await foo.waiting.promise;
        await other.close();
        expect((await call.done).error).toMatchObject({
          code: "unavailable",
          sent: true,
        });
        expect(signal.aborted).toBe(true);
        await client.closed;
        expect(client.isAvailable).toBe(false);
      });
    });
  }

  test(`${protocol}@: values of every kind arrive as they left`, async () => {
    await using server = new Server().register(new Foo());
    const place = protocol === "unix" ? `unix@${folder}/values.sock` : listenAt;
    await using client = await Client.dial(await server.listen(place));
    const values = [
      undefined,
      null,
      -0,
      NaN,
      2n ** 70n,
      new Date(7),
      new Map([["a", new Set([1])]]),
      new Uint8Array(200_000).fill(3),
      { nested: [{ deep: "ünïcode" }] },
    ];
    for (const value of values) {
      expect(await client.call("Foo.later", value)).toEqual(value);
    }
    expect(await client.call("Foo.bytes", 4 * mib)).toEqual(
      new Uint8Array(4 * mib).fill(7),
    );
  });
}
