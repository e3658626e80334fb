import { describe, expect, test } from "bun:test";
import type { Code } from "../../src/errors.ts";
import { Services } from "../../src/service/services.ts";

const nothing = () => {};

class Arith {
  sum() {}
  diff() {}
}

function failing(code: Code) {
  return expect.objectContaining({ code });
}

describe("register", () => {
  test("under the class's name, or the one that is given", () => {
    const services = new Services();
    services.register(new Arith());
    services.register(new Arith(), "Other");
    services.register({ list: nothing }, { name: "Plain" });
    services.register({ list: nothing }, "a.dotted.Name");
    expect(services.names).toEqual([
      "Arith",
      "Other",
      "Plain",
      "a.dotted.Name",
    ]);
  });

  test("a second service of one name is refused, and the first stays", () => {
    const services = new Services();
    services.register(new Arith());
    const first = services.find("Arith.sum");
    expect(() => services.register({ sum: nothing }, "Arith")).toThrow(
      failing("already_exists"),
    );
    expect(services.find("Arith.sum")).toBe(first);
  });

  test("methods are told apart, in whatever order they are asked for", () => {
    const services = new Services();
    services.register({ one: nothing, two: nothing }, "Each");
    const names = ["Each.one", "Each.two", "Each.two", "Each.one"];
    const found = names.map((name) => services.find(name).serviceMethod);
    expect(found).toEqual(names);
  });

  test("a plain object needs a name", () => {
    const services = new Services();
    const bare = Object.assign(Object.create(null) as object, { a: nothing });
    for (const target of [
      { sum: nothing },
      bare,
      new (class {
        sum() {}
      })(),
    ]) {
      expect(() => services.register(target)).toThrow(
        failing("invalid_argument"),
      );
    }
    services.register(bare, "Bare");
    expect(services.find("Bare.a").serviceMethod).toBe("Bare.a");
  });

  for (const name of ["", "a b", "a,b", "a\nb", "x".repeat(201)]) {
    test(`the name ${JSON.stringify(name.slice(0, 10))} is refused`, () => {
      expect(() => new Services().register({ a: nothing }, name)).toThrow(
        failing("invalid_argument"),
      );
    });
  }

  test("a method's name cannot hold a dot: it would be another service's", () => {
    const services = new Services();
    expect(() => services.register({ "B.c": nothing }, "A")).toThrow(
      failing("invalid_argument"),
    );
    expect(services.names).toEqual([]);
    expect(() => services.find("A.B.c")).toThrow(failing("unimplemented"));
  });

  test("options for a method that is not there are refused, and nothing is registered", () => {
    const services = new Services();
    for (const method of ["summ", "toString", "constructor"]) {
      const methods = { [method]: { timeoutMs: 1 } };
      expect(() => services.register(new Arith(), { methods })).toThrow(
        failing("invalid_argument"),
      );
    }
    expect(services.names).toEqual([]);
  });

  test("a method has its own options, and no other's", () => {
    const services = new Services();
    services.register(new Arith(), {
      methods: { sum: { timeoutMs: 50, maxRunning: 2 } },
    });
    expect(services.find("Arith.sum")).toMatchObject({
      timeoutMs: 50,
      maxRunning: 2,
    });
    expect(services.find("Arith.diff")).toMatchObject({
      timeoutMs: 0,
      maxRunning: Infinity,
    });
  });

  test("a class declares its own as static rpc, and register's options win", () => {
    class Slow extends Arith {
      static rpc = { inherited: true, methods: { sum: { timeoutMs: 50 } } };
      wait() {}
    }
    const services = new Services();
    services.register(new Slow());
    expect(services.find("Slow.sum").timeoutMs).toBe(50);
    expect(services.find("Slow.wait").timeoutMs).toBe(0);
    services.register(new Slow(), {
      name: "Own",
      inherited: false,
      methods: {},
    });
    expect(() => services.find("Own.sum")).toThrow(failing("unimplemented"));
    services.register(new Slow(), {
      name: "Third",
      methods: { sum: { timeoutMs: 9 } },
    });
    expect(services.find("Third.sum").timeoutMs).toBe(9);
  });
});

test("what a class inherits of static rpc is not its own", () => {
  class Slow {
    static rpc = { methods: { wait: { timeoutMs: 50 } } };
    wait() {}
  }
  class Quick extends Slow {
    now() {}
  }
  const services = new Services();
  services.register(new Quick());
  expect(services.find("Quick.now").timeoutMs).toBe(0);
  expect(() => services.find("Quick.wait")).toThrow(failing("unimplemented"));
});

describe("find", () => {
  const services = new Services();
  services.register(new Arith());
  services.register({ c: nothing }, "A.B");

  test("splits at the last dot", () => {
    expect(services.find("Arith.sum").serviceMethod).toBe("Arith.sum");
    expect(services.find("A.B.c").serviceMethod).toBe("A.B.c");
  });

  const unknown: [serviceMethod: string, code: Code][] = [
    ["", "invalid_argument"],
    ["Arith", "invalid_argument"],
    ["Arith/sum", "invalid_argument"],
    ["constructor", "invalid_argument"],
    ["Nope.sum", "unimplemented"],
    ["A.c", "unimplemented"],
    ["Arith.nope", "unimplemented"],
    ["Arith.", "unimplemented"],
    [".sum", "invalid_argument"],
    [".", "invalid_argument"],
    ["arith.sum", "unimplemented"],
    ["Arith.Sum", "unimplemented"],
    ["Arith.constructor", "unimplemented"],
    ["Arith.__proto__", "unimplemented"],
    ["Arith.__proto__.x", "unimplemented"],
    ["Arith.toString", "unimplemented"],
    ["Arith.hasOwnProperty", "unimplemented"],
    ["__proto__.toString", "unimplemented"],
    ["constructor.constructor", "unimplemented"],
  ];
  for (const [serviceMethod, code] of unknown) {
    test(`${JSON.stringify(serviceMethod)} is ${code}`, () => {
      expect(() => services.find(serviceMethod)).toThrow(failing(code));
    });
  }
});

describe("list", () => {
  test("services and methods are sorted; geerpc's own are not shown", () => {
    const services = new Services();
    services.register({ list: nothing }, "_geerpc");
    services.register({ z: nothing, a: nothing, M: nothing }, "Zoo");
    services.register(new Arith());
    expect(services.names).toEqual(["Arith", "Zoo"]);
    const listed = [...services.list()].map(([name, methods]) => [
      name,
      methods.map(({ serviceMethod }) => serviceMethod),
    ]);
    expect(listed).toEqual([
      ["Arith", ["Arith.diff", "Arith.sum"]],
      ["Zoo", ["Zoo.M", "Zoo.a", "Zoo.z"]],
    ]);
    expect(services.find("_geerpc.list").serviceMethod).toBe("_geerpc.list");
  });
});

describe("start and dispose", () => {
  function recorded(name: string, log: string[], disposeError?: Error) {
    return {
      call: nothing,
      async start() {
        log.push(`start ${name}`);
        await Promise.resolve();
        log.push(`started ${name}`);
      },
      async [Symbol.asyncDispose]() {
        log.push(`dispose ${name}`);
        if (disposeError !== undefined) throw disposeError;
      },
    };
  }

  test("start in the order of registration, one by one; dispose in reverse", async () => {
    const log: string[] = [];
    const services = new Services();
    services.register(recorded("a", log), "A");
    services.register({ plain: nothing }, "Plain");
    services.register(recorded("b", log), "B");
    await services.start();
    await services.dispose();
    expect(log).toEqual([
      "start a",
      "started a",
      "start b",
      "started b",
      "dispose b",
      "dispose a",
    ]);
  });

  test("what start throws goes to the caller, and the next does not start", async () => {
    const log: string[] = [];
    const services = new Services();
    const broken = new Error("broken");
    services.register(
      {
        call: nothing,
        start() {
          throw broken;
        },
      },
      "Broken",
    );
    services.register(recorded("b", log), "B");
    expect(await services.start().catch((thrown) => thrown)).toBe(broken);
    expect(log).toEqual([]);
  });

  test("each is disposed of, whatever the others throw; the first failure is told", async () => {
    const log: string[] = [];
    const services = new Services();
    const [first, second] = [new Error("first"), new Error("second")];
    services.register(recorded("a", log, second), "A");
    services.register(recorded("b", log, first), "B");
    expect(await services.dispose().catch((thrown) => thrown)).toBe(first);
    expect(log).toEqual(["dispose b", "dispose a"]);
  });
});

describe("once started", () => {
  test.each(["start", "dispose"] as const)(
    "by %s, no more can be registered: their hooks would never run",
    async (hook) => {
      const services = new Services();
      services.register(new Arith());
      const running = services[hook]();
      expect(() => services.register(new Arith(), "Late")).toThrow(
        failing("failed_precondition"),
      );
      await running;
      expect(services.names).toEqual(["Arith"]);
    },
  );

  test("an object under two names starts and is disposed of once", async () => {
    const told: string[] = [];
    const one = {
      sum() {},
      start: () => void told.push("start"),
      [Symbol.asyncDispose]: () => void told.push("dispose"),
    };
    const services = new Services();
    services.register(one, "A");
    services.register(one, "B");
    await services.start();
    await services.dispose();
    expect(told).toEqual(["start", "dispose"]);
  });
});

test.each([
  { timeoutMs: -5 },
  { timeoutMs: NaN },
  { timeoutMs: "1s" as unknown as number },
  { maxRunning: -1 },
  { maxRunning: NaN },
])("options of a method that are none, %j, register nothing", (options) => {
  const services = new Services();
  expect(() =>
    services.register(new Arith(), { methods: { diff: options } }),
  ).toThrow(failing("invalid_argument"));
  expect(services.names).toEqual([]);
  expect(services.peek("Arith.sum")).toBeUndefined();
});
