import { describe, expect, test } from "bun:test";
import {
  isPlain,
  parseJson,
  pathTo,
  refuseUnlessPlain,
  stringifyJson,
} from "../../src/codec/value.ts";
import { RpcError } from "../../src/errors.ts";
import { codeThrownBy } from "./code-thrown-by.ts";

class Point {
  #hidden = 1;
  x = 1;
  sum() {
    return this.x + this.#hidden;
  }
}
class WithToJSON extends Point {
  toJSON() {
    return 7;
  }
}
class ListWithToJSON extends Array<number> {
  toJSON() {
    return 7;
  }
}

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < depth; level++) {
    value = level % 2 === 0 ? [value] : { value };
  }
  return value;
}

const withHole = [1, 2, 3];
delete withHole[1];
const bare = Object.assign(Object.create(null), { a: 1 });
const selfContaining: Record<string, unknown> = {};
selfContaining["left"] = selfContaining;
selfContaining["right"] = selfContaining;

const plain: [string, unknown][] = [
  ["null", null],
  ["a boolean", false],
  ["0", 0],
  ["the largest number", Number.MAX_VALUE],
  ["the smallest number", Number.MIN_VALUE],
  ["text", "é€😀"],
  ["a lone surrogate", "\ud800"],
  ["an empty list", []],
  ["lists and objects", [{ a: [1, "b", null, true] }]],
  ["a class instance", new Point()],
  ["no prototype", bare],
  ["an own __proto__", JSON.parse(`{"__proto__":1}`)],
  ["64 levels", nested(64)],
];

const notPlain: [string, unknown, string][] = [
  ["NaN", NaN, "value"],
  ["Infinity", { a: Infinity }, "value.a"],
  ["-Infinity", [-Infinity], "value[0]"],
  ["-0", [0, -0], "value[1]"],
  ["a bigint", 1n, "value"],
  ["a function", { "a b": { c: () => 1 } }, `value["a b"].c`],
  ["a symbol", Symbol.iterator, "value"],
  ["an undefined field", { a: 1, b: undefined }, "value.b"],
  ["an undefined item", [undefined], "value[0]"],
  ["a hole", withHole, "value[1]"],
  ["a Date", { at: new Date() }, "value.at"],
  ["bytes", [new Uint8Array(1)], "value[0]"],
  ["a DataView", [new DataView(new ArrayBuffer(1))], "value[0]"],
  ["a Map", new Map(), "value"],
  ["a Set", new Set(), "value"],
  ["a regular expression", /a/, "value"],
  ["an Error", new Error("a"), "value"],
  ["a boxed number", Object(1), "value"],
  ["toJSON", [new WithToJSON()], "value[0]"],
  ["a list with toJSON", { list: new ListWithToJSON() }, "value.list"],
  ["an own toJSON", { toJSON: () => 1 }, "value"],
  [
    "a class instance that is not",
    { p: { ...new Point(), y: -0 } },
    "value.p.y",
  ],
];

describe("isPlain", () => {
  test.each(plain)("%s", (_, value) => {
    expect(isPlain(value, 64)).toBe(true);
    expect(JSON.parse(JSON.stringify(value))).toEqual(
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? { ...value }
        : (value as never),
    );
  });

  test.each(notPlain)("not %s", (_, value) => {
    expect(isPlain(value, 64)).toBe(false);
  });

  test("not beyond its depth, not what contains itself", () => {
    expect(isPlain(nested(65), 64)).toBe(false);
    expect(isPlain(nested(3), 2)).toBe(false);
    expect(isPlain(selfContaining, 64)).toBe(false);
    expect(isPlain(1, 0)).toBe(true);
  });
});

describe("refuseUnlessPlain", () => {
  test.each(plain)("lets %s pass", (_, value) => {
    expect(codeThrownBy(() => refuseUnlessPlain(value, 64))).toBeUndefined();
  });

  test("lets a lone undefined pass", () => {
    expect(
      codeThrownBy(() => refuseUnlessPlain(undefined, 64)),
    ).toBeUndefined();
  });

  test.each(notPlain)("refuses %s and says where it is", (_, value, path) => {
    expect(refusedAt(value, path)).toBe(true);
  });

  test("says where it is too deep", () => {
    expect(refusedAt(nested(4), "value.value[0]", 2)).toBe(true);
  });

  test("looks at what contains itself twice only once", () => {
    // Each level doubles the paths: looking at all would not end.
    const path = `value${".left".repeat(64)}`;
    expect(refusedAt(selfContaining, path)).toBe(true);
  });
});

/** Where `value` is refused: of a message the path alone is a promise. */
function refusedAt(value: unknown, path: string, maxDepth = 64): boolean {
  try {
    refuseUnlessPlain(value, maxDepth);
  } catch (thrown) {
    const { code, message } = RpcError.from(thrown);
    expect(code).toBe("invalid_argument");
    return ` ${message} `.includes(` ${path} `);
  }
  return false;
}

test("pathTo quotes what is no name", () => {
  expect(pathTo("a", "b", false)).toBe("a.b");
  expect(pathTo("a", "3", true)).toBe("a[3]");
  expect(pathTo("a", "3", false)).toBe(`a["3"]`);
  expect(pathTo("a", `"`, false)).toBe(`a["\\""]`);
  expect(pathTo("", "__proto__", false)).toBe(".__proto__");
});

describe("parseJson", () => {
  test("keeps a key named __proto__ as it came", () => {
    const value = parseJson(`{"__proto__":{"a":1},"b":2}`, 64) as object;
    expect(Object.keys(value)).toEqual(["__proto__", "b"]);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  test.each(["", " ", "{", "1 2", "undefined", "\u0000"])(
    "refuses %j",
    (text) => {
      expect(codeThrownBy(() => parseJson(text, 64))).toBe("invalid_argument");
    },
  );

  test.each([1, 2, 3, 64])("takes %p levels and no more", (depth) => {
    const json = JSON.stringify(nested(depth));
    expect(codeThrownBy(() => parseJson(json, depth))).toBeUndefined();
    const brackets = `${"[".repeat(depth + 1)}${"]".repeat(depth + 1)}`;
    expect(codeThrownBy(() => parseJson(brackets, depth))).toBe(
      "invalid_argument",
    );
    const deeper = JSON.stringify(nested(depth + 1));
    expect(codeThrownBy(() => parseJson(deeper, depth))).toBe(
      "invalid_argument",
    );
  });
});

describe("stringifyJson", () => {
  test.each([undefined, () => 1, Symbol.iterator, 1n, selfContaining])(
    "refuses what JSON has nothing for",
    (value) => {
      expect(codeThrownBy(() => stringifyJson(value))).toBe("invalid_argument");
    },
  );

  test("takes the rest as JSON does", () => {
    expect(stringifyJson([undefined, NaN, new Date(0)])).toBe(
      `[null,null,"1970-01-01T00:00:00.000Z"]`,
    );
  });
});
