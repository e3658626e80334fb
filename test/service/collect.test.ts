import { describe, expect, test } from "bun:test";
import { EventEmitter } from "node:events";
import { collectHandlers } from "../../src/service/collect.ts";

function namesOf(target: object, withInherited = false): string[] {
  return [...collectHandlers(target, withInherited).keys()].sort();
}

const refused = expect.objectContaining({ code: "invalid_argument" });

class Base {
  fromBase() {}
  both() {
    return "base";
  }
}

class Arith extends Base {
  static make() {}
  field = () => {};
  #secret() {}
  constructor() {
    super();
    this.#secret();
  }
  sum() {}
  async later() {}
  *items() {}
  override both() {
    return "own";
  }
  start() {}
  _internal() {}
  [Symbol.asyncDispose]() {}
  [Symbol.iterator]() {}
  get accessor(): () => void {
    throw new Error("an accessor was run");
  }
  set accessor(_value: () => void) {
    throw new Error("an accessor was run");
  }
}

describe("of an instance", () => {
  test("the methods that its own class declares, and nothing else", () => {
    expect(namesOf(new Arith())).toEqual(["both", "items", "later", "sum"]);
  });

  test("inherited ones where it is told so, the nearest first", () => {
    const handlers = collectHandlers(new Arith(), true);
    expect([...handlers.keys()].sort()).toEqual(
      ["both", "fromBase", "items", "later", "sum"], // never toString and its like
    );
    expect((handlers.get("both") as () => string)()).toBe("own");
  });

  test("a service that emits events does not expose emit", () => {
    class Feed extends EventEmitter {
      latest() {}
    }
    expect(namesOf(new Feed())).toEqual(["latest"]);
  });

  test("what an instance was given later does not count", () => {
    const arith = new Arith();
    Object.assign(arith, { added: () => {} });
    expect(namesOf(arith)).not.toContain("added");
  });
});

describe("of a plain object", () => {
  test("its functions", () => {
    const service = {
      sum() {},
      arrow: () => {},
      value: 7,
      nothing: undefined,
      _internal() {},
      start() {},
      get accessor(): () => void {
        throw new Error("an accessor was run");
      },
      [Symbol("s")]: () => {},
    };
    expect(namesOf(service)).toEqual(["arrow", "sum"]);
    expect(namesOf(service, true)).toEqual(["arrow", "sum"]);
  });

  test("also without a prototype", () => {
    const service = Object.assign(Object.create(null) as object, {
      sum() {},
      constructor() {},
    });
    expect(namesOf(service)).toEqual(["sum"]);
  });
});

describe("refused", () => {
  test("a class instead of an instance", () => {
    expect(() => collectHandlers(Arith, false)).toThrow(refused);
    expect(() => collectHandlers(() => {}, false)).toThrow(refused);
  });

  test("what exposes nothing", () => {
    class OnlyFields {
      sum = () => {};
    }
    const empty = [{}, { a: 1 }, { _a() {} }, { start() {} }, new OnlyFields()];
    for (const target of empty) {
      expect(() => collectHandlers(target, false)).toThrow(refused);
    }
  });
});
