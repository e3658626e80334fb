import { describe, expect, test } from "bun:test";
import { GuardedPicker } from "../../src/balance/guarded-picker.ts";
import type { Picker } from "../../src/balance/picker.ts";
import { createPicker, registerPicker } from "../../src/balance/select-mode.ts";
import type { Endpoint } from "../../src/discovery/discovery.ts";
import { RpcError } from "../../src/errors.ts";
import { settle } from "../support/manual-clock.ts";
import { call, endpoints, server } from "./endpoints.ts";

const list = endpoints("a", "b");
const [one] = list as [Endpoint];
const own = new Error("a picker's own");

function throwOwn(): never {
  throw own;
}

/** What a picker's pick of `list` throws. */
function thrownBy(pick: Picker["pick"]): unknown {
  try {
    return new GuardedPicker({ pick }).pick(list, call);
  } catch (thrown) {
    return thrown;
  }
}

describe("a user's pick", () => {
  test("is the server that it gave, whatever `this` is to it", () => {
    class First implements Picker {
      readonly index = 0;
      pick(endpoints: readonly Endpoint[]): Endpoint {
        return endpoints[this.index] as Endpoint;
      }
    }
    expect(new GuardedPicker(new First()).pick(list, call)).toBe(one);
  });

  test.each([
    ["nobody", undefined],
    ["another server", server("c")],
    ["a copy of one", { ...one }],
  ])("that is %s is a failure", (_, picked) => {
    expect(thrownBy(() => picked as Endpoint)).toMatchObject({
      code: "internal",
      sent: false,
    });
  });

  test("that throws is a failure of its own, or an internal one", () => {
    const refusal = new RpcError("unavailable", "nobody", { sent: false });
    const refuse = () => {
      throw refusal;
    };
    expect(thrownBy(refuse)).toBe(refusal);
    expect(thrownBy(throwOwn)).toMatchObject({
      code: "internal",
      sent: false,
      cause: own,
    });
  });
});

describe("what a user's picker is told", () => {
  test("it gets as it is, whatever `this` is to it", () => {
    class Noting implements Picker {
      readonly notes: unknown[][] = [];
      pick = () => one;
      started(...told: unknown[]): void {
        this.notes.push(told);
      }
      ended(...told: unknown[]): void {
        this.notes.push(told);
      }
      retain(...told: unknown[]): void {
        this.notes.push(told);
      }
    }
    const noting = new Noting();
    const picker = new GuardedPicker(noting);
    const addresses = new Set(["a"]);
    picker.started?.(one, 1);
    picker.ended?.(one, "failed", 5, 6);
    picker.retain?.(addresses);
    expect(noting.notes).toEqual([
      [one, 1],
      [one, "failed", 5, 6],
      [addresses],
    ]);
  });

  test("is nothing where it asks for nothing", () => {
    const { started, ended, retain } = new GuardedPicker({ pick: () => one });
    expect([started, ended, retain]).toEqual([undefined, undefined, undefined]);
  });

  test("and throws at is a warning", async () => {
    const warned: unknown[] = [];
    const onWarning = ({ cause }: Error) => void warned.push(cause);
    process.on("warning", onWarning);
    try {
      const picker = new GuardedPicker({
        pick: () => one,
        started: throwOwn,
        ended: throwOwn,
        retain: throwOwn,
      });
      picker.started?.(one, 1);
      picker.ended?.(one, "failed", 5, 6);
      picker.retain?.(new Set());
      await settle();
      expect(warned).toEqual([own, own, own]);
    } finally {
      process.off("warning", onWarning);
    }
  });
});

test("the pickers of a mode that was added are guarded", () => {
  registerPicker("throwing", () => ({ pick: throwOwn }));
  expect(() => createPicker("throwing").pick(list, call)).toThrow(
    expect.objectContaining({ code: "internal" }),
  );
});
