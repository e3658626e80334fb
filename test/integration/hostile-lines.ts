import { gob } from "../../src/codec/gob/gob.ts";
import { GobEncoder } from "../../src/codec/gob/gob-encoder.ts";
import type { GobType } from "../../src/codec/gob/gob-type.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { option } from "../server/set-up.ts";

/** How a hostile line ends: the call's code, or the connection's. */
export type Outcome = { call: string } | { connection: string };

export interface HostileLine {
  name: string;
  outcome: Outcome;
  /** Large, but nothing is wrong with it: it costs what such a call costs. */
  isWellFormed?: true;
}

/** The argument of a call, by an encoder that has sent the call's header. */
export interface HostileGob extends HostileLine {
  /** Foo.Fail by default. */
  serviceMethod?: string;
  make(encode: Encode): Uint8Array;
}

export interface HostileJson extends HostileLine {
  text(): string;
}

export type Encode = (value: unknown, type?: GobType) => Buffer;

/** A gob stream whose sender keeps no limit. */
export function boundless(): Encode {
  const encoder = new GobEncoder({
    limits: {
      maxMessageBytes: 2 ** 28,
      maxTypes: 1e6,
      maxDepth: 1e5,
      maxDefinitionBytes: 2 ** 28,
      maxNameBytes: 2 ** 28,
    },
  });
  return (value, type) => {
    const out = new SendBuffer();
    encoder.encode(out, value, type);
    return Buffer.from(out.pending());
  };
}

export type Dialect = keyof typeof dialects;

const { string, uint, int } = gob;
const dialects = {
  /** As a geerpc peer, so that codes are told. */
  gob: {
    hello: `${option({ CodecType: "application/gob", Protocol: 1 })}\n`,
    header: gob.struct(
      { ServiceMethod: string, Seq: uint, Error: string },
      "Header",
    ),
  },
  "net/rpc": {
    hello: "",
    header: gob.struct({ ServiceMethod: string, Seq: uint }, "Request"),
  },
};

/** What comes before everything else. */
export function hello(dialect: Dialect): Buffer {
  return Buffer.from(dialects[dialect].hello);
}

export function header(
  encode: Encode,
  dialect: Dialect,
  ServiceMethod: string,
  Seq: number,
): Buffer {
  const value = { ServiceMethod, Seq, Error: "" };
  return encode(value, dialects[dialect].header);
}

/** A whole connection's bytes: the hello, one header and the hostile argument. */
export function callBytes(
  dialect: Dialect,
  encode: Encode,
  { serviceMethod = "Foo.Fail", make }: HostileGob,
): Buffer {
  const head = header(encode, dialect, serviceMethod, 1);
  return Buffer.concat([hello(dialect), head, make(encode)]);
}

/** Gob's forms of numbers. Source: encoding/gob, "Encoding Details". */
function unsigned(value: number): Buffer {
  if (value < 128) return Buffer.from([value]);
  const bytes: number[] = [];
  for (let left = value; left > 0; left = Math.floor(left / 256)) {
    bytes.unshift(left % 256);
  }
  return Buffer.from([256 - bytes.length, ...bytes]);
}

function signed(value: number): Buffer {
  return unsigned(value < 0 ? -2 * value - 1 : 2 * value);
}

/** One message: its length and its parts. */
function message(...parts: (Uint8Array | number[])[]): Buffer {
  const bytes = Buffer.concat(parts.map((part) => Uint8Array.from(part)));
  return Buffer.concat([unsigned(bytes.length), bytes]);
}

/** The definition of the id as a slice of `elem`. */
function sliceDefinition(id: number, elem: number): Buffer {
  const common = [[2, 1, 2], signed(id), [0, 1]];
  return message(signed(-id), ...common, signed(elem), [0, 0]);
}

function many<T>(length: number, make: (index: number) => T): T[] {
  return Array.from({ length }, (_, index) => make(index));
}

const { slice, map } = gob;
/** A list within lists, and its type. */
function nested(depth: number): { value: unknown; type: GobType } {
  let value: unknown = 1;
  let type: GobType = int;
  for (let left = depth; left > 0; left--) {
    value = [value];
    type = slice(type);
  }
  return { value, type };
}

const malformed = { call: "invalid_argument" };
const exhausted = { call: "resource_exhausted" };
/** Read, since it is within all limits; then the method is asked to fail. */
const failed = { call: "failed_precondition" };
const broken = { connection: "internal" };
const overrun = { connection: "resource_exhausted" };

export const hostileGob: readonly HostileGob[] = [
  {
    name: "a text longer than what is left",
    outcome: malformed,
    make: () => message(signed(6), [0], unsigned(1e9)),
  },
  {
    name: "more elements than there is room for",
    outcome: malformed,
    make(encode) {
      const bytes = encode([], slice(int));
      bytes[bytes.length - 1] = 0x70;
      return bytes;
    },
  },
  {
    name: "a message of 2^40 bytes",
    outcome: overrun,
    make: () => unsigned(2 ** 40),
  },
  {
    name: "a message whose length has nine bytes",
    outcome: broken,
    make: () => Buffer.from([256 - 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
  },
  {
    name: "a million empty structs",
    outcome: exhausted,
    make: (encode) =>
      encode(
        many(1e6, () => ({})),
        slice(gob.struct({})),
      ),
  },
  {
    name: "800,000 empty structs",
    outcome: exhausted,
    make: (encode) =>
      encode(
        many(8e5, () => ({})),
        slice(gob.struct({})),
      ),
  },
  {
    name: "four million interfaces that hold nothing",
    isWellFormed: true,
    outcome: failed,
    make: (encode) =>
      encode(
        many(4e6, () => null),
        slice(gob.interface),
      ),
  },
  {
    name: "a map of 300,000 numbers",
    isWellFormed: true,
    outcome: failed,
    make: (encode) =>
      encode(new Map(many(3e5, (at) => [at, true])), map(int, gob.bool)),
  },
  {
    name: "a map of 300,000 fractions",
    isWellFormed: true,
    outcome: failed,
    make: (encode) =>
      encode(
        new Map(many(3e5, (at) => [at * 1.37e200, 1])),
        map(gob.float64, int),
      ),
  },
  {
    name: "400,000 numbers that are bigints",
    isWellFormed: true,
    outcome: failed,
    make: (encode) =>
      encode(
        many(4e5, (at) => 2n ** 63n - 1n - BigInt(at)),
        slice(int),
      ),
  },
  {
    name: "10,000 definitions that end early",
    outcome: broken,
    make: () =>
      Buffer.concat(
        many(10_000, (at) => message(signed(-(100 + at)), [2, 2, 0, 0])),
      ),
  },
  {
    name: "10,000 definitions",
    outcome: overrun,
    make: () =>
      Buffer.concat(many(10_000, (at) => sliceDefinition(100 + at, 2))),
  },
  {
    name: "a type that contains itself, 3,000 deep",
    outcome: exhausted,
    make: () =>
      Buffer.concat([
        sliceDefinition(170, 170),
        message(signed(170), [0], Buffer.alloc(3_000, 1), [0]),
      ]),
  },
  {
    name: "an id that nothing defines",
    outcome: malformed,
    make: () => message(signed(199), [0]),
  },
  {
    name: "an id that is defined twice",
    outcome: broken,
    make: () =>
      Buffer.concat([sliceDefinition(170, 2), sliceDefinition(170, 2)]),
  },
  {
    name: "a field past the last one",
    outcome: malformed,
    make(encode) {
      const bytes = encode({ a: 1 }, gob.struct({ a: int }));
      bytes[bytes.length - 3] = 0x50;
      return bytes;
    },
  },
  {
    name: "lists nested 65 deep",
    outcome: exhausted,
    make(encode) {
      const { value, type } = nested(65);
      return encode(value, type);
    },
  },
  {
    name: "lists nested 65 deep where nobody looks",
    outcome: exhausted,
    serviceMethod: "Foo.Sum",
    make(encode) {
      const { value, type } = nested(65);
      return encode({ z: value, Num1: 1 }, gob.struct({ z: type, Num1: int }));
    },
  },
  {
    name: "an integer of nine bytes",
    outcome: malformed,
    make: () => message(signed(2), [0, 256 - 9], Buffer.alloc(9, 1)),
  },
  {
    name: "another header instead of the argument, with a name of 1 MB",
    outcome: broken,
    serviceMethod: "Foo.Nope",
    make: (encode) =>
      Buffer.concat([
        encode({ ServiceMethod: `A.${"x".repeat(1e6)}`, Seq: 2, Error: "" }),
        encode({ a: 1 }, gob.struct({ a: int })),
      ]),
  },
  {
    name: "a field's name of 1 MB",
    outcome: broken,
    make(encode) {
      const name = "x".repeat(1e6);
      return encode({ [name]: 1 }, gob.struct({ [name]: int }));
    },
  },
  {
    name: "a field __proto__",
    outcome: failed,
    make(encode) {
      const type = gob.struct({ ["__proto__"]: int, constructor: int });
      const value = { ["__proto__"]: 5, constructor: 6 };
      return encode(value, type);
    },
  },
  {
    name: "a key __proto__",
    outcome: failed,
    make: (encode) => encode(new Map([["__proto__", 5]]), map(string, int)),
  },
  {
    name: "a header as the argument of a method that there is not",
    outcome: { call: "unimplemented" },
    serviceMethod: "No.Such",
    make: (encode) =>
      encode(
        { ServiceMethod: "Foo.Sum", Seq: 9, Error: "" },
        dialects.gob.header,
      ),
  },
];

/** One request of JSON-RPC as Go writes it. */
function ask(params: string, id = "1", method = "Foo.Fail"): string {
  return `{"method":"${method}","params":[${params}],"id":${id}}`;
}

export const hostileJson: readonly HostileJson[] = [
  {
    name: "4 MB of zeros",
    outcome: failed,
    text: () => ask(`[${"0,".repeat(2e6 - 20)}0]`),
  },
  {
    name: "4 MB of zeros with an id that no number keeps",
    outcome: failed,
    text: () => ask(`[${"0,".repeat(2e6 - 20)}0]`, "1e30"),
  },
  {
    name: "4 MB of objects with an id of such a kind",
    outcome: failed,
    text: () => ask(`[${"{},".repeat(1.3e6)}{}]`, "1.5"),
  },
  {
    name: "a batch of 1,000 lists",
    outcome: { call: "unimplemented" },
    text() {
      const request = ask(`[${"0,".repeat(1_900)}0]`, "1.5", "A.b");
      return `[${many(1_000, () => request).join(",")}]`;
    },
  },
  {
    name: "a million brackets",
    outcome: overrun,
    text: () => ask("[".repeat(1e6)),
  },
  {
    name: "a batch of two million",
    outcome: { call: "resource_exhausted" },
    text: () => `[${"0,".repeat(2e6 - 20)}0]`,
  },
  {
    name: "100 batches of 1,024",
    isWellFormed: true,
    outcome: { call: "unimplemented" },
    text() {
      const requests = many(1_024, (id) => `{"method":"A.b","id":${id}}`);
      return `[${requests.join(",")}]\n`.repeat(100);
    },
  },
  {
    name: "a first key of 5 MB",
    outcome: { connection: "resource_exhausted" },
    text: () => `{"${"m".repeat(5e6)}`,
  },
  {
    name: "1,000 blanks first",
    outcome: { connection: "invalid_argument" },
    text: () => " ".repeat(1_000) + ask("{}"),
  },
  {
    name: "a line feed first",
    outcome: failed,
    text: () => `\n${ask("{}")}`,
  },
  {
    name: "the same id twice",
    outcome: failed,
    text: () => ask("{}") + ask("{}"),
  },
  {
    name: "no method's name",
    outcome: { call: "invalid_argument" },
    text: () => ask("{}", "1", ""),
  },
  {
    name: "a key __proto__",
    outcome: failed,
    text: () => ask('{"__proto__":{"x":1},"a":1}'),
  },
];
