import { expect, expectTypeOf, test } from "bun:test";
import type { Client } from "../../src/client/client.ts";
import { gobCodecType } from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { idempotentMethods } from "../../src/service/services.ts";
import type { XCallOptions } from "../../src/xclient/call-options.ts";
import { DeclaredMethods } from "../../src/xclient/declared-methods.ts";
import type { XRemote } from "../../src/xclient/remote.ts";
import { settle } from "../support/manual-clock.ts";
import { Fleet } from "./fleet.ts";

const address = "tcp@a:1";
const endpoint = { address, services: undefined };

class Users {
  static rpc = {
    methods: { get: { idempotent: true }, put: { idempotent: false } },
  };
  get(id: number) {
    return id;
  }
  put(id: number) {
    return id;
  }
  add(id: number) {
    return id;
  }
}

test("a server is asked once per connection which methods it declares", async () => {
  await using fleet = new Fleet();
  const server = fleet.add(address, new Users());
  const declared = new DeclaredMethods(fleet.dial);
  const client = await declared.dial(address, {}, endpoint);
  const other = await fleet.dial(address, {});
  await settle();
  const names = ["Foo.get", "Foo.put", "Foo.add", "Bar.get"];
  expect(names.map((name) => declared.has(client, name))).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(declared.has(other, "Foo.get")).toBe(false);
  expect([...server.methods.keys()]).toEqual(["Foo"]);
  await client.close();
  await other.close();
});

/** A client that answers `reply` and notes what it is asked. */
function asked(reply: () => unknown) {
  const calls: unknown[] = [];
  const client = {
    call: async (serviceMethod: string) => {
      calls.push(serviceMethod);
      return reply();
    },
  } as unknown as Client;
  return { calls, client, declared: new DeclaredMethods(async () => client) };
}

test("one that speaks another codec is not: it may not bear a method that it does not know", async () => {
  for (const [at, codec] of [
    [address, gobCodecType],
    ["gorpc@a:1", undefined],
    ["jsonrpc@a:1", undefined],
  ] as const) {
    const { calls, declared } = asked(() => []);
    await declared.dial(at, codec ? { codec } : {}, endpoint);
    expect(calls).toEqual([]);
  }
  const { calls, declared } = asked(() => []);
  await declared.dial(address, {}, endpoint);
  expect(calls).toEqual([idempotentMethods]);
});

test("one that knows no such list, or answers something else, declares nothing", async () => {
  const refuse = () => {
    throw new RpcError("unimplemented", "no such method");
  };
  for (const reply of [refuse, () => "Foo.get", () => ({ 0: "Foo.get" })]) {
    const { client, declared } = asked(reply);
    await declared.dial(address, {}, endpoint);
    await settle();
    expect(declared.has(client, "Foo.get")).toBe(false);
  }
});

test("typed methods take the options of an XClient", () => {
  type Get = XRemote<{ Users: Users }>["Users"]["get"];
  expectTypeOf<Parameters<Get>>().toEqualTypeOf<
    [args: number, options?: XCallOptions]
  >();
  expectTypeOf<ReturnType<Get>>().toEqualTypeOf<Promise<number>>();
  type None = XRemote<{ N: { run(): string } }>["N"]["run"];
  expectTypeOf<Parameters<None>>().toEqualTypeOf<
    [args?: undefined, options?: XCallOptions]
  >();
  type Maybe = XRemote<{ N: { run(id?: number): string } }>["N"]["run"];
  expectTypeOf<Parameters<Maybe>>().toEqualTypeOf<
    [args?: number, options?: XCallOptions]
  >();
});
