import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { ControlBudget } from "../../src/session/control-budget.ts";
import { testRandom } from "../support/seed.ts";

const million = 1_000_000;

/** A budget whose clock and count of work are moved by hand. */
class Meter {
  nowMs = 1_000;
  work = 0;
  readonly budget = new ControlBudget(
    {
      now: () => this.nowMs,
      after: () => {
        throw new Error("a budget needs no timer");
      },
    },
    () => this.work,
  );

  spend(frames: number): void {
    for (let count = 0; count < frames; count++) this.budget.spend();
  }

  /** How many frames get through of up to `most`, sent at a steady rate. */
  flood(perSecond: number, most: number, isPing = false): number {
    for (let sent = 0; sent < most; sent++) {
      try {
        if (isPing) this.budget.spendPing();
        else this.budget.spend();
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(RpcError);
        expect((thrown as RpcError).code).toBe("resource_exhausted");
        return sent;
      }
      this.nowMs += 1_000 / perSecond;
    }
    return most;
  }
}

/** A stream, as flow control makes it: which frames come to each end. */
function streamItems(
  items: number,
  windowItems: number,
  sender: Meter,
  reader: Meter,
): void {
  // The request.
  sender.work++;
  reader.work++;
  for (let item = 1; item <= items; item++) {
    sender.work++;
    reader.work++;
    if (item % Math.ceil(windowItems / 2) > 0) continue;
    // The stream's credit, and the connection's.
    sender.spend(2);
  }
  // The end of the stream.
  reader.spend(1);
}

describe("an honest peer is never cut, on a clock that stands", () => {
  test("that takes back each of a million calls at once", () => {
    const meter = new Meter();
    for (let call = 0; call < million; call++) {
      meter.work++;
      meter.spend(1);
    }
    expect(meter.work).toBe(million);
  });

  test("that makes a million calls and takes them all back at the end", () => {
    const meter = new Meter();
    meter.work += million;
    meter.spend(million);
  });

  test("that takes back a million calls in batches of any size", () => {
    const random = testRandom();
    const meter = new Meter();
    for (let left = million; left > 0;) {
      const batch = Math.min(left, Math.ceil(random() ** 3 * 100_000));
      meter.work += batch;
      meter.spend(batch);
      left -= batch;
    }
    expect(meter.work).toBe(million);
  });

  test.each([
    ["the default window", 1024 ** 2 / 64],
    ["a window of one item", 1],
  ])("that streams a million items of one byte through %s", (_, window) => {
    const sender = new Meter();
    const reader = new Meter();
    streamItems(million, window, sender, reader);
    expect(sender.work).toBe(million + 1);
  });

  test("that opens a million streams without an item, and takes each back", () => {
    const meter = new Meter();
    for (let call = 0; call < million; call++) {
      meter.work += 2;
      // The argument's end, the reply's, a cancel.
      meter.spend(3);
    }
    expect(meter.work).toBe(2 * million);
  });

  test("and has no strike: a flood then has all that is left", () => {
    const meter = new Meter();
    for (let call = 0; call < 10_000; call++) {
      meter.work++;
      meter.spend(1);
    }
    expect(meter.flood(Infinity, million)).toBe(3_000 + 4 * 10_000 - 10_000);
  });
});

describe("a flood of control frames", () => {
  test.each([
    [Infinity, 3_000],
    [100_000, 3_000],
    [10_000, 3_027],
    [1_000, 3_333],
    [400, 3_990],
  ])("of %d frames a second is cut after %d", (perSecond, frames) => {
    expect(new Meter().flood(perSecond, million)).toBe(frames);
  });

  test("of 299 frames a second is let be", () => {
    expect(new Meter().flood(299, million)).toBe(million);
  });

  test("is cut all the same after hours in which nothing came", () => {
    const meter = new Meter();
    meter.nowMs += 10 * 3_600_000;
    expect(meter.flood(Infinity, million)).toBe(4_000);
  });

  test("gets 4 more through for each unit of work, once", () => {
    const meter = new Meter();
    meter.work += 25;
    expect(meter.flood(Infinity, million)).toBe(3_100);
  });

  test("gets less than two million more through, whatever was done before", () => {
    const meter = new Meter();
    meter.work += 1_000 * million;
    meter.spend(1_001);
    meter.work += 1_000 * million;
    expect(meter.flood(Infinity, 3 * million)).toBe(2 * million - 1 + 2_000);
  });

  test("of five frames for each call is cut", () => {
    const meter = new Meter();
    let calls = 0;
    const flood = () => {
      for (; calls < million; calls++) {
        meter.work++;
        meter.spend(5);
      }
    };
    expect(flood).toThrow(RpcError);
    expect(calls).toBe(3_000);
  });

  test("goes on being cut by who does not listen", () => {
    const meter = new Meter();
    meter.flood(Infinity, million);
    expect(meter.flood(Infinity, million)).toBe(0);
  });
});

describe("strikes", () => {
  const strike = (meter: Meter) => meter.spend(1_000);

  test("end the connection when the third is within 10 s of the first", () => {
    const meter = new Meter();
    meter.spend(1_000);
    strike(meter);
    // What came back by time, first.
    meter.nowMs += 5_000;
    meter.spend(500);
    strike(meter);
    meter.nowMs += 5_000;
    meter.spend(500);
    expect(() => meter.spend(1)).toThrow(RpcError);
  });

  test("are forgotten after that", () => {
    const meter = new Meter();
    meter.spend(1_000);
    for (let round = 0; round < 100; round++) {
      strike(meter);
      meter.nowMs += 5_001;
      meter.spend(500);
    }
    expect(meter.flood(Infinity, million)).toBe(1_000);
  });
});

describe("pings", () => {
  test.each([
    [Infinity, 30],
    [1_000, 30],
    [10, 33],
    [4, 36],
  ])("of %d a second are cut after %d", (perSecond, pings) => {
    expect(new Meter().flood(perSecond, million, true)).toBe(pings);
  });

  test.each([1, 2])("of %d a second are let be", (perSecond) => {
    expect(new Meter().flood(perSecond, 10_000, true)).toBe(10_000);
  });

  test("are not paid for by work, nor by what other frames have left", () => {
    const meter = new Meter();
    meter.work += million;
    expect(meter.flood(Infinity, million, true)).toBe(30);
    meter.spend(4 * 100_000);
  });
});
