import { describe, expect, spyOn, test } from "bun:test";
import { RpcError } from "../../../src/errors.ts";
import { definitionType } from "../../../src/codec/gob/definition.ts";
import { gob } from "../../../src/codec/gob/gob.ts";
import {
  GobDecoder,
  type GobDecoderOptions,
} from "../../../src/codec/gob/gob-decoder.ts";
import {
  type GobType,
  holdsInterface,
} from "../../../src/codec/gob/gob-type.ts";
import { GobEncoder } from "../../../src/codec/gob/gob-encoder.ts";
import { defaultGobLimits } from "../../../src/codec/gob/gob-limits.ts";
import { GobWriter } from "../../../src/codec/gob/gob-writer.ts";
import { SendBuffer } from "../../../src/wire/send-buffer.ts";

/** Streams made by hand, with every mistake that an encoder would not make. */
class Stream {
  readonly #writer = new GobWriter(1000, () => {});

  define(id: number, definition: object): this {
    return this.message((writer) => {
      writer.writeInt(-id);
      definitionType.write(writer, definition);
    });
  }

  value(id: number, ...bytes: number[]): this {
    return this.message((writer) => {
      writer.writeInt(id);
      for (const byte of bytes) writer.writeByte(byte);
    });
  }

  message(write: (writer: GobWriter) => void): this {
    const outer = this.#writer.beginSegment();
    write(this.#writer);
    this.#writer.endSegment(outer);
    return this;
  }

  get bytes(): Uint8Array {
    return this.#writer.out.pending();
  }
}

const common = { Name: "", Id: 70 };
const slice = (Elem: number, id = 70) => ({
  SliceT: { CommonType: { Name: "", Id: id }, Elem },
});
const struct = (...Field: { Name: string; Id: number }[]) => ({
  StructT: { CommonType: common, Field },
});

function outcome(bytes: Uint8Array, options?: GobDecoderOptions) {
  const decoder = new GobDecoder(options);
  decoder.push(bytes);
  return outcomeOf(decoder);
}

/** The code of the next result, `fatal` before it where the stream is over. */
function outcomeOf(decoder: GobDecoder): string {
  try {
    const result = decoder.next();
    if (result === undefined) return "more";
    return result.error?.code ?? "value";
  } catch (thrown) {
    if (!(thrown instanceof RpcError)) throw thrown;
    return `fatal ${thrown.code}`;
  }
}

describe("only the value is lost, and the next one arrives", () => {
  const cases: Record<string, (stream: Stream) => void> = {
    "a string longer than its message": (stream) => stream.value(6, 0, 100, 65),
    "a nine-byte integer": (stream) =>
      stream.value(2, 0, 0xf7, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    "an integer cut short": (stream) => stream.value(2, 0, 0xfe, 1),
    "more elements than bytes": (stream) =>
      stream.define(70, slice(2)).value(70, 0, 0xfd, 0x0f, 0x42, 0x40, 2),
    "more map entries than bytes": (stream) =>
      stream
        .define(70, { MapT: { CommonType: common, Key: 2, Elem: 2 } })
        .value(70, 0, 3, 2, 2),
    "another count than the array's": (stream) =>
      stream
        .define(70, { ArrayT: { CommonType: common, Elem: 2, Len: 3 } })
        .value(70, 0, 2, 2, 2),
    "a delta past the last field": (stream) =>
      stream.define(70, struct({ Name: "A", Id: 2 })).value(70, 2, 2, 0),
    "an endless delta": (stream) =>
      stream
        .define(70, struct({ Name: "A", Id: 2 }))
        .value(70, 0xf8, 255, 255, 255, 255, 255, 255, 255, 255),
    "a struct without its end": (stream) =>
      stream.define(70, struct({ Name: "A", Id: 2 })).value(70, 1, 2),
    "an undefined id": (stream) => stream.value(99, 0, 1),
    "a type made of an undefined one": (stream) =>
      stream.define(70, slice(99)).value(70, 0, 1, 1),
    "an id that Go keeps to itself": (stream) => stream.value(17, 0, 1),
    "bytes behind the value": (stream) => stream.value(2, 0, 2, 2),
    "no zero before a lone value": (stream) => stream.value(2, 1, 2),
    "a message that is only an id": (stream) => stream.value(2),
    "an array of itself": (stream) =>
      stream
        .define(70, { ArrayT: { CommonType: common, Elem: 70, Len: 1 } })
        .value(70, 0, ...Array<number>(63).fill(1)),
    "a time in an unknown form": (stream) =>
      stream
        .define(70, { GobEncoderT: { CommonType: { Name: "Time", Id: 70 } } })
        .value(70, 0, 3, 9, 9, 9),
  };
  for (const [name, write] of Object.entries(cases)) {
    test(name, () => {
      const stream = new Stream();
      write(stream);
      const decoder = new GobDecoder();
      decoder.push(stream.value(2, 0, 14).bytes);
      expect(outcomeOf(decoder)).toBe("invalid_argument");
      expect(decoder.next()).toMatchObject({ value: 7 });
    });
  }
});

describe("the stream is over", () => {
  const cases: Record<string, (stream: Stream) => void> = {
    "an id defined twice": (stream) =>
      stream.define(70, slice(2)).define(70, slice(2)),
    "a built-in id defined": (stream) => stream.define(2, slice(2)),
    "a definition of nothing": (stream) => stream.define(70, {}),
    "a definition of two things": (stream) =>
      stream.define(70, { ...slice(2), ...struct() }),
    "a definition cut short": (stream) =>
      stream.message((writer) => writer.writeInt(-70)),
    "bytes behind a definition": (stream) =>
      stream.message((writer) => {
        writer.writeInt(-70);
        definitionType.write(writer, slice(2));
        writer.writeByte(0);
      }),
    "a field twice": (stream) =>
      stream.define(70, struct({ Name: "A", Id: 2 }, { Name: "A", Id: 2 })),
    "a field without a name": (stream) =>
      stream.define(70, struct({ Name: "", Id: 2 })),
    "a field's name of two thousand bytes": (stream) =>
      stream.define(70, struct({ Name: "n".repeat(2000), Id: 2 })),
    "an array of negative length": (stream) =>
      stream.define(70, { ArrayT: { CommonType: common, Elem: 2, Len: -1 } }),
    "an empty message": (stream) => stream.message(() => {}),
    "a bad value with an interface in it, whose end nobody knows": (stream) =>
      stream.define(70, slice(8)).value(70, 0, 1, 100),
  };
  for (const [name, write] of Object.entries(cases)) {
    test(name, () => {
      const stream = new Stream();
      write(stream);
      const decoder = new GobDecoder();
      decoder.push(stream.value(2, 0, 14).bytes);
      expect(outcomeOf(decoder)).toBe("fatal internal");
      decoder.push(new Uint8Array(100));
      expect(decoder.pendingBytes).toBe(0);
      expect(outcomeOf(decoder)).toBe("fatal internal");
    });
  }

  test("a message longer than allowed, seen at its header", () => {
    expect(outcome(Uint8Array.of(0xfd, 0x40, 0, 1))).toBe(
      "fatal resource_exhausted",
    );
    expect(outcome(Uint8Array.of(0xfd, 0x40, 0, 0))).toBe("more");
  });

  test("a message length of nine bytes", () => {
    expect(outcome(Uint8Array.of(0xf7))).toBe("fatal internal");
  });

  test("ten thousand type definitions", () => {
    const stream = new Stream();
    for (let id = 70; id < 10_070; id++) stream.define(id, slice(2, id));
    expect(outcome(stream.bytes)).toBe("fatal resource_exhausted");
  });

  test("a name of a megabyte", () => {
    const name = "n".repeat(1024 * 1024);
    const stream = new Stream().define(70, {
      SliceT: { CommonType: { Name: name, Id: 70 }, Elem: 2 },
    });
    expect(outcome(stream.bytes)).toBe("fatal resource_exhausted");
  });
});

describe("depth", () => {
  const tree = gob.struct((self) => ({ Next: self }), "Tree");
  /** The header's type knows nothing of it: it is read all the same. */
  const nested = (depth: number) => {
    let value: object = {};
    for (let left = depth - 1; left > 0; left--) value = { Next: value };
    const out = new SendBuffer();
    const limits = { maxDepth: 100 };
    new GobEncoder({ limits }).encode(out, value, tree);
    return out.pending();
  };

  test("64 is read, 65 is not", () => {
    expect(outcome(nested(64))).toBe("value");
    expect(outcome(nested(65))).toBe("resource_exhausted");
  });

  test("interfaces in interfaces count too", () => {
    const stream = new Stream().message((writer) => {
      writer.writeInt(8);
      writer.writeByte(0);
      for (let left = 100; left > 0; left--) {
        writer.writeText("x");
        writer.writeInt(8);
        writer.writeUint(1);
        writer.writeByte(0);
      }
      writer.writeByte(0);
    });
    expect(outcome(stream.bytes)).toBe("fatal resource_exhausted");
  });

  test("a chain of a thousand types is read", () => {
    const stream = new Stream();
    for (let id = 70; id < 1070; id++) stream.define(id, slice(id + 1, id));
    stream.define(1070, slice(2, 1070)).value(70, 0, 1, 0);
    expect(outcome(stream.bytes)).toBe("value");
  });
});

describe("memory", () => {
  test("a million elements of an empty struct are refused", () => {
    const out = new SendBuffer();
    const empty = gob.slice(gob.struct({}));
    new GobEncoder().encode(out, Array<object>(1e6).fill({}), empty);
    expect(outcome(out.pending())).toBe("resource_exhausted");
  });

  test("a hundred thousand zero points are not", () => {
    const out = new SendBuffer();
    const points = gob.slice(gob.struct({ X: gob.int, Y: gob.int }));
    new GobEncoder().encode(out, Array<object>(1e5).fill({}), points);
    expect(outcome(out.pending())).toBe("value");
  });

  test("structs of many fields, all of them zero, are refused", () => {
    const names = Array.from({ length: 1000 }, (_, at) => `F${at}`);
    const wide = gob.struct(
      Object.fromEntries(names.map((name) => [name, gob.int])),
    );
    const out = new SendBuffer();
    new GobEncoder().encode(out, Array<object>(5000).fill({}), gob.slice(wide));
    expect(outcome(out.pending())).toBe("resource_exhausted");
  });

  test("many small values together take what one may, and bytes bring it back", () => {
    const names = Array.from({ length: 1000 }, (_, at) => `F${at}`);
    const wide = gob.slice(
      gob.struct(Object.fromEntries(names.map((name) => [name, gob.int]))),
    );
    const zeros = Array<object>(400).fill({});
    const encoder = new GobEncoder();
    const decoder = new GobDecoder();
    const next = (value: unknown, type: GobType) => {
      const out = new SendBuffer();
      encoder.encode(out, value, type);
      decoder.push(out.pending());
      return outcomeOf(decoder);
    };
    expect(next(zeros, wide)).toBe("value");
    expect(next(zeros, wide)).toBe("resource_exhausted");
    expect(next("x".repeat(32 * 1024), gob.string)).toBe("value");
    expect(next(zeros, wide)).toBe("value");
  });

  test("so does a value that is read again with each of its messages", () => {
    const limits = { freeCells: 10_000, refillCellsPerByte: 0 };
    const names = Array.from({ length: 1000 }, (_, at) => `F${at}`);
    const stream = new Stream()
      .define(70, slice(8))
      .define(71, struct(...names.map((Name) => ({ Name, Id: 2 }))))
      .message((writer) => {
        writer.writeInt(70);
        writer.writeByte(0);
        writer.writeUint(30);
        writer.writeText("t");
        writer.writeInt(71);
        writer.writeUint(1);
        writer.writeByte(0);
        writer.writeText("t");
        writer.writeInt(-80);
        definitionType.write(writer, slice(5, 80));
      });
    for (let id = 81; id < 100; id++) {
      stream.message((writer) => {
        writer.writeInt(id - 1);
        writer.writeUint(2);
        for (const byte of [0, 0]) writer.writeByte(byte);
        writer.writeText("t");
        writer.writeInt(-id);
        definitionType.write(writer, slice(5, id));
      });
    }
    expect(outcome(stream.bytes, { limits })).toBe("more");
    const decoder = new GobDecoder({ limits });
    const outcomes = new Set<string>();
    for (const byte of stream.bytes) {
      decoder.push(Uint8Array.of(byte));
      outcomes.add(outcomeOf(decoder));
    }
    expect([...outcomes]).toEqual(["more", "fatal resource_exhausted"]);
  });

  test("a value in many messages is as long as one may be", () => {
    const limits = { maxMessageBytes: 300 };
    const stream = new Stream().define(70, slice(8)).message((writer) => {
      writer.writeInt(70);
      writer.writeByte(0);
      writer.writeUint(20);
      writer.writeText("t");
      writer.writeInt(-71);
      definitionType.write(writer, slice(5, 71));
    });
    for (let id = 72; id < 80; id++) {
      stream.message((writer) => {
        writer.writeInt(id - 1);
        writer.writeUint(3);
        for (const byte of [0, 1, 60]) writer.writeByte(byte);
        for (let left = 60; left > 0; left--) writer.writeByte(0);
        writer.writeText("t");
        writer.writeInt(-id);
        definitionType.write(writer, slice(5, id));
      });
    }
    expect(outcome(stream.bytes, { limits })).toBe("fatal resource_exhausted");
    expect(outcome(stream.bytes)).toBe("more");
  });

  test("bytes of a message that never ends are kept once", () => {
    const decoder = new GobDecoder();
    decoder.push(Uint8Array.of(0xfd, 0x0f, 0, 0));
    for (let sent = 0; sent < 50_000; sent++) {
      decoder.push(Uint8Array.of(0));
      if (decoder.next() !== undefined) throw new Error("a value of nothing");
    }
    expect(decoder.pendingBytes).toBe(50_004);
  });

  test("the limits are those of the connection", () => {
    expect(defaultGobLimits).toMatchObject({
      maxMessageBytes: 4 * 1024 * 1024,
      maxDepth: 64,
    });
  });
});

test("a type is looked through for interfaces once, whatever it is part of", () => {
  const inner = gob.struct({ A: gob.int });
  const parts = spyOn(inner, "parts");
  const around = [gob.slice(inner), gob.slice(gob.slice(inner)), inner];
  expect(around.map(holdsInterface)).toEqual([false, false, false]);
  expect(parts).toHaveBeenCalledTimes(1);
  const open = gob.struct({ I: inner, V: gob.slice(gob.interface) });
  const closed = gob.struct((self) => ({ I: inner, Next: self }));
  expect([open, closed, open].map(holdsInterface)).toEqual([true, false, true]);
  expect(parts).toHaveBeenCalledTimes(1);
});

test("names that every object has are names like others", () => {
  const names = ["__proto__", "constructor", "hasOwnProperty", "toString"];
  const type = gob.struct({
    ...Object.fromEntries(names.slice(1).map((name) => [name, gob.string])),
    ["__proto__"]: gob.struct({ polluted: gob.bool }),
    M: gob.map(gob.string, gob.int),
  });
  const value = Object.fromEntries([
    ["__proto__", { polluted: true }],
    ["constructor", "c"],
    ["M", new Map([["__proto__", 1]])],
  ]);
  const out = new SendBuffer();
  const encoder = new GobEncoder();
  encoder.encode(out, value, type);
  encoder.encode(out, {}, type);
  const decoder = new GobDecoder();
  decoder.push(out.pending());
  const first = decoder.next() as { value: Record<string, unknown> };
  expect(Object.getPrototypeOf(first.value)).toBe(Object.prototype);
  expect(Object.keys(first.value).sort()).toEqual([...names, "M"].sort());
  expect(
    Object.getOwnPropertyDescriptor(first.value, "__proto__")?.value,
  ).toEqual({ polluted: true });
  expect(first.value["M"]).toEqual(new Map([["__proto__", 1]]));
  expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  const second = decoder.next() as { value: Record<string, unknown> };
  expect(second.value["constructor"]).toBe("");
  expect(
    Object.getOwnPropertyDescriptor(second.value, "__proto__")?.value,
  ).toBe(null);
});
