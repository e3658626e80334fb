import { describe, expect, test } from "bun:test";
import { Foo } from "../../src/cli/demo-service.ts";
import { pair } from "../../src/pair.ts";

const address = "tcp@a:1";

function demo() {
  return pair({ Foo: new Foo(() => address) });
}

test("Sum, Echo and Whoami answer", async () => {
  await using both = demo();
  const { Foo } = both.client;
  expect(await Foo.Sum({ Num1: 1, Num2: 2 })).toBe(3);
  expect(await Foo.Echo(new Map([[1, 2n]]))).toEqual(new Map([[1, 2n]]));
  expect(await Foo.Whoami()).toEqual({ address, pid: process.pid });
});

test("only these are exposed", async () => {
  await using both = demo();
  expect(await both.client.call("_geerpc.list")).toEqual({
    services: { Foo: ["Echo", "Fail", "Sleep", "Sum", "Whoami"] },
  });
});

test("Sleep answers the sum when its time is over", async () => {
  await using both = demo();
  expect(await both.client.Foo.Sleep({ Num1: 0.001, Num2: 2 })).toBe(2.001);
});

test("Sleep does not outlive its caller's interest", async () => {
  const controller = new AbortController();
  const asleep = new Foo(() => address).Sleep({ Num1: 3_600, Num2: 0 }, {
    signal: controller.signal,
  } as never);
  controller.abort();
  expect(await asleep).toBe(3_600);
});

describe("Fail", () => {
  test("fails as it is told", async () => {
    await using both = demo();
    const failing = both.client.Foo.Fail({ code: "not_found", message: "who" });
    expect(await failing.catch((thrown) => thrown)).toMatchObject({
      code: "not_found",
      message: "who",
    });
  });

  test("without a code it is unknown, with one that is none it is invalid_argument", async () => {
    await using both = demo();
    const nothing = both.client.Foo.Fail();
    expect(await nothing.catch((thrown) => thrown.code)).toBe("unknown");
    const wrong = both.client.call("Foo.Fail", { code: "nope" });
    expect(await wrong.catch((thrown) => thrown.code)).toBe("invalid_argument");
  });
});

test.each([undefined, {}, { Num1: "1", Num2: 2 }, [1, 2]])(
  "numbers that are none: %j",
  async (args) => {
    await using both = demo();
    for (const method of ["Foo.Sum", "Foo.Sleep"]) {
      const call = both.client.call(method, args);
      expect(await call.catch((thrown) => thrown.code)).toBe(
        "invalid_argument",
      );
    }
  },
);
