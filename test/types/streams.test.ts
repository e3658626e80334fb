import { expect, expectTypeOf, test } from "bun:test";
import { Readable } from "node:stream";
import type { CallOptions, Remote } from "../../src/index.ts";
import type { ItemStream } from "../../src/session/item-stream.ts";
import type { ReplyStream, StreamCall } from "../../src/service/stream-call.ts";

type User = { id: number };
type Shape = { radius: number } | { side: number };

interface Streams {
  // Replies
  generator(to: number): AsyncGenerator<number, string, boolean>;
  promised(to: number): Promise<AsyncGenerator<number>>;
  iterable(): AsyncIterable<User>;
  iterator(): AsyncIterator<User, void>;
  readable(): ReadableStream<Uint8Array>;
  optional(args?: { from: number }): AsyncGenerator<User>;
  eitherStream(): AsyncGenerator<number> | ReadableStream<string>;
  union(): AsyncGenerator<number | undefined>;
  anyItem(): AsyncGenerator<any>;
  unknownItem(): AsyncGenerator<unknown>;
  list<T>(args: T[]): AsyncGenerator<T>;
  ids<T extends User>(args: T): AsyncGenerator<T["id"]>;
  // Replies that are streams at times, or never
  sometimes(args: number): User | AsyncGenerator<number>;
  rarely(): Promise<AsyncGenerator<number> | undefined>;
  shape(args: Shape): Shape;
  bool(args: boolean): boolean;
  any(args: any): any;
  unknown(args: unknown): unknown;
  never(): never;
  nothing(): Promise<void>;
  generic<T>(args: T): T;
  array(args: number[]): User[];
  iterableOnce(): Set<number>;
  // Arguments
  upload(items: AsyncIterable<User>): Promise<number>;
  collect(items: AsyncGenerator<User>): number;
  read(bytes: ReadableStream<Uint8Array>): number;
  pull(items: AsyncIterator<User>): number;
  later(items?: AsyncGenerator<User>): number;
  both(items: AsyncIterable<string>): AsyncGenerator<number>;
  mixed(items: Uint8Array | AsyncIterable<Uint8Array>): number;
}

type Calls = Remote<{ Streams: Streams }>["Streams"];
type Reply<Name extends keyof Calls> = ReturnType<Calls[Name]>;
type Argument<Name extends keyof Calls> = Parameters<Calls[Name]>[0];

// These run at compile time only: bun check is what fails.

test("a method that streams gives a call of its items", () => {
  expectTypeOf<Calls["generator"]>().toEqualTypeOf<
    (args: number, options?: CallOptions) => StreamCall<number>
  >();
  expectTypeOf<Calls["promised"]>().toEqualTypeOf<Calls["generator"]>();
  expectTypeOf<Calls["iterable"]>().toEqualTypeOf<
    (args?: undefined, options?: CallOptions) => StreamCall<User>
  >();
  expectTypeOf<Reply<"iterator">>().toEqualTypeOf<StreamCall<User>>();
  expectTypeOf<Reply<"readable">>().toEqualTypeOf<StreamCall<Uint8Array>>();
  expectTypeOf<Calls["optional"]>().toEqualTypeOf<
    (args?: { from: number }, options?: CallOptions) => StreamCall<User>
  >();
});

test("items keep their types", () => {
  expectTypeOf<Reply<"eitherStream">>().toEqualTypeOf<
    StreamCall<number | string>
  >();
  expectTypeOf<Reply<"union">>().toEqualTypeOf<
    StreamCall<number | undefined>
  >();
  expectTypeOf<Reply<"anyItem">>().toEqualTypeOf<StreamCall<any>>();
  expectTypeOf<Reply<"unknownItem">>().toEqualTypeOf<StreamCall<unknown>>();
  // What is generic is what its parameters are at most, as with any infer.
  expectTypeOf<Calls["list"]>().toEqualTypeOf<
    (args: unknown[], options?: CallOptions) => StreamCall<unknown>
  >();
  expectTypeOf<Reply<"ids">>().toEqualTypeOf<StreamCall<number>>();
});

test("a method that streams at times is awaited, and what came looked at", () => {
  expectTypeOf<Reply<"sometimes">>().toEqualTypeOf<
    Promise<User | ReplyStream<number>>
  >();
  expectTypeOf<Reply<"rarely">>().toEqualTypeOf<
    Promise<ReplyStream<number> | undefined>
  >();
  const never = async (calls: Calls) => {
    // @ts-expect-error whether it streams is known once it is awaited
    for await (const _ of calls.sometimes(1));
    const reply = await calls.sometimes(1);
    if ("id" in reply) expectTypeOf(reply).toEqualTypeOf<User>();
    else expectTypeOf(reply).toEqualTypeOf<ReplyStream<number>>();
  };
  expect(never).toBeFunction();
});

test("all other methods give promises", () => {
  expectTypeOf<Calls["shape"]>().toEqualTypeOf<
    (args: Shape, options?: CallOptions) => Promise<Shape>
  >();
  expectTypeOf<Calls["bool"]>().toEqualTypeOf<
    (args: boolean, options?: CallOptions) => Promise<boolean>
  >();
  expectTypeOf<Calls["any"]>().toEqualTypeOf<
    (args: any, options?: CallOptions) => Promise<any>
  >();
  expectTypeOf<Calls["unknown"]>().toEqualTypeOf<
    (args: unknown, options?: CallOptions) => Promise<unknown>
  >();
  expectTypeOf<Reply<"never">>().toEqualTypeOf<Promise<never>>();
  expectTypeOf<Reply<"nothing">>().toEqualTypeOf<Promise<void>>();
  expectTypeOf<Reply<"generic">>().toEqualTypeOf<Promise<unknown>>();
  expectTypeOf<Calls["array"]>().toEqualTypeOf<
    (args: number[], options?: CallOptions) => Promise<User[]>
  >();
  expectTypeOf<Reply<"iterableOnce">>().toEqualTypeOf<Promise<Set<number>>>();
  const never = (calls: Calls) => {
    // @ts-expect-error a lone reply is no stream
    calls.array([1])[Symbol.asyncIterator]();
  };
  expect(never).toBeFunction();
});

test("a stream as an argument is any async iterable", () => {
  expectTypeOf<Calls["upload"]>().toEqualTypeOf<
    (args: AsyncIterable<User>, options?: CallOptions) => Promise<number>
  >();
  expectTypeOf<Argument<"collect">>().toEqualTypeOf<AsyncIterable<User>>();
  expectTypeOf<Argument<"read">>().toEqualTypeOf<AsyncIterable<Uint8Array>>();
  expectTypeOf<Argument<"pull">>().toEqualTypeOf<AsyncIterable<User>>();
  expectTypeOf<Argument<"later">>().toEqualTypeOf<
    AsyncIterable<User> | undefined
  >();
  expectTypeOf<Calls["both"]>().toEqualTypeOf<
    (args: AsyncIterable<string>, options?: CallOptions) => StreamCall<number>
  >();
  expectTypeOf<Argument<"mixed">>().toEqualTypeOf<
    Uint8Array | AsyncIterable<Uint8Array>
  >();
  const never = async (calls: Calls) => {
    async function* users() {
      yield { id: 1 };
    }
    await calls.upload(users());
    await calls.upload(new ReadableStream<User>());
    await calls.upload(Readable.from([{ id: 1 }]));
    await calls.upload(calls.iterable());
    await calls.upload(await calls.iterable(), { timeoutMs: 5 });
    await calls.later();
    await calls.mixed(new Uint8Array());
    // @ts-expect-error its items are no users
    await calls.upload(calls.generator(3));
    // @ts-expect-error an array is one value
    await calls.upload([{ id: 1 }]);
    // @ts-expect-error a function that makes a stream is none
    await calls.upload(users);
    // @ts-expect-error it wants its stream
    await calls.upload();
  };
  expect(never).toBeFunction();
});

test("a call of a stream is looped over, awaited and passed on", () => {
  const never = async (calls: Calls) => {
    for await (const n of calls.generator(3)) expectTypeOf(n).toBeNumber();
    for await (const n of await calls.generator(3)) {
      expectTypeOf(n).toBeNumber();
    }
    await using stream = await calls.generator(3, { timeoutMs: 5 });
    expectTypeOf(stream).toEqualTypeOf<ReplyStream<number>>();
    const result = await stream.next();
    expectTypeOf(result.value).toEqualTypeOf<number | undefined>();
    await stream.return();
    expectTypeOf(await Array.fromAsync(calls.generator(3))).toEqualTypeOf<
      number[]
    >();
    calls.generator(3).catch(() => {});
    // @ts-expect-error the argument is a number
    calls.generator("3");
    // @ts-expect-error a stream has to be awaited first
    calls.generator(3).next();
    // @ts-expect-error items come in time: for await
    for (const _ of calls.generator(3));
  };
  expect(never).toBeFunction();
});

test("the session's stream is what callers are promised", () => {
  expectTypeOf<ItemStream<User>>().toExtend<ReplyStream<User>>();
});
