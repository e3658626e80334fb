import { expect, expectTypeOf, test } from "bun:test";
import { EventEmitter } from "node:events";
import {
  type CallOptions,
  type Client,
  type Context,
  connect,
  pair,
  type Remote,
  type XClient,
} from "geerpc";

class Arith {
  static instances = 0;
  precision = 2;
  #secret = 1;
  sum({ a, b }: { a: number; b: number }): number {
    return a + b;
  }
  async divide(args: { a: number; b: number }, context: Context) {
    context.signal.throwIfAborted();
    return { quotient: args.a / args.b, secret: this.#secret };
  }
  zero() {
    return 0;
  }
  maybe(args?: { verbose: boolean }) {
    return args?.verbose ?? false;
  }
  start() {}
  _hidden() {}
  get accuracy() {
    return this.precision;
  }
  [Symbol.asyncDispose]() {}
}

const table = {
  upper: (text: string) => text.toUpperCase(),
};

type Services = { Arith: Arith; Text: typeof table };
type RemoteArith = Remote<Services>["Arith"];

// These run at compile time only: bun check is what fails.

test("arguments, replies and options have their types", () => {
  expectTypeOf<RemoteArith["sum"]>().toEqualTypeOf<
    (args: { a: number; b: number }, options?: CallOptions) => Promise<number>
  >();
  expectTypeOf<RemoteArith["divide"]>().returns.resolves.toEqualTypeOf<{
    quotient: number;
    secret: number;
  }>();
  expectTypeOf<RemoteArith["divide"]>().parameters.toEqualTypeOf<
    [args: { a: number; b: number }, options?: CallOptions]
  >();
  expectTypeOf<RemoteArith["zero"]>().toEqualTypeOf<
    (args?: undefined, options?: CallOptions) => Promise<number>
  >();
  expectTypeOf<Parameters<RemoteArith["maybe"]>[0]>().toEqualTypeOf<
    { verbose: boolean } | undefined
  >();
  expectTypeOf<Remote<Services>["Text"]["upper"]>().toEqualTypeOf<
    (args: string, options?: CallOptions) => Promise<string>
  >();
});

test("what a service does not expose is absent", () => {
  expectTypeOf<keyof RemoteArith>().toEqualTypeOf<
    "sum" | "divide" | "zero" | "maybe"
  >();
  class Emitting extends EventEmitter {
    send(args: { text: string }) {
      return this.emit("sent", args.text);
    }
  }
  expectTypeOf<
    Remote<{ Emitting: Emitting }>["Emitting"]["send"]
  >().returns.resolves.toEqualTypeOf<boolean>();
});

test("wrong calls do not compile", () => {
  const never = async (client: XClient & Remote<Services>) => {
    // @ts-expect-error a string is no number
    await client.Arith.sum({ a: "1", b: 2 });
    // @ts-expect-error b is missing
    await client.Arith.sum({ a: 1 });
    // @ts-expect-error there is no such method
    await client.Arith.product({ a: 1, b: 2 });
    // @ts-expect-error there is no such service
    await client.Geometry.area({});
    // @ts-expect-error hooks are not exposed
    await client.Arith.start();
    // @ts-expect-error private by name
    await client.Arith._hidden();
    // @ts-expect-error a timeout is a number
    await client.Arith.sum({ a: 1, b: 2 }, { timeoutMs: "1s" });
  };
  expect(never).toBeFunction();
});

test("a service named like a member of the client does not compile", () => {
  const never = async () => {
    // @ts-expect-error `call` is the client's own: name the service otherwise, or reach it by call()
    await connect<{ call: Arith }>("tcp@127.0.0.1:1");
  };
  expect(never).toBeFunction();
});

test("every way to a client gives the same typed calls", async () => {
  await using both = pair({ Arith: new Arith(), Text: table });
  expectTypeOf(both.client.Arith).toEqualTypeOf<RemoteArith>();
  expectTypeOf(both.client.as<Services>().Arith).toEqualTypeOf<RemoteArith>();
  expectTypeOf<Awaited<ReturnType<typeof connect<Services>>>>().toExtend<
    XClient & Remote<Services>
  >();
  expectTypeOf(both.client).toExtend<Client>();
  expect(await both.client.Arith.sum({ a: 1, b: 2 })).toBe(3);
  expect(await both.client.Text.upper("a")).toBe("A");
  expect(await both.client.Arith.maybe()).toBe(false);
});
