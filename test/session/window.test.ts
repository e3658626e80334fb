import { describe, expect, test } from "bun:test";
import { randomIndex } from "../../src/base/random.ts";
import { ReceiveWindow, SendWindow } from "../../src/session/window.ts";
import { testRandom } from "../support/seed.ts";

describe("the sender's", () => {
  test("is open while anything is left, and may go below it", () => {
    const window = new SendWindow(100);
    window.spend(99);
    expect(window.isOpen).toBe(true);
    window.spend(500);
    expect(window.isOpen).toBe(false);
    window.grant(499);
    expect(window.isOpen).toBe(false);
    window.grant(1);
    expect(window.isOpen).toBe(true);
  });

  test("of 0 bytes is never open", () => {
    expect(new SendWindow(0).isOpen).toBe(false);
  });
});

describe("the receiver's", () => {
  test("lets an item come while it is open, however long it is, and none after that", () => {
    const window = new ReceiveWindow(100);
    expect(window.receive(99)).toBe(true);
    expect(window.receive(1_000)).toBe(true);
    expect(window.receive(1)).toBe(false);
  });

  test("grants what was consumed once it is a quarter of the window", () => {
    const window = new ReceiveWindow(100);
    window.receive(120);
    expect(window.consume(10)).toBe(0);
    expect(window.consume(14)).toBe(0);
    expect(window.consume(1)).toBe(25);
    expect(window.consume(24)).toBe(0);
    expect(window.consume(71)).toBe(95);
  });

  test("is open again for what it has granted, and for no more", () => {
    const window = new ReceiveWindow(100);
    window.receive(100);
    window.consume(24);
    expect(window.receive(1)).toBe(false);
    // 1 over, which is missing when 25 are granted.
    expect(window.consume(1)).toBe(25);
    expect(window.receive(24)).toBe(true);
    expect(window.receive(1)).toBe(false);
  });

  test("with slack takes what was begun before others that came in front", () => {
    const window = new ReceiveWindow(100, 1_000);
    expect(window.receive(1_099)).toBe(true);
    expect(window.receive(1)).toBe(true);
    expect(window.receive(1)).toBe(false);
  });

  test.each([0, 1])("of %d bytes grants every byte", (bytes) => {
    expect(new ReceiveWindow(bytes).consume(1)).toBe(1);
  });
});

test("whatever is sent as long as the sender's is open is allowed by the receiver's, and all of it comes back", () => {
  const random = testRandom();
  for (let run = 0; run < 200; run++) {
    const bytes = 1 + randomIndex(1_000, random);
    const sending = new SendWindow(bytes);
    const receiving = new ReceiveWindow(bytes);
    const way: number[] = [];
    const unread: number[] = [];
    const credits: number[] = [];
    let spent = 0;
    for (let step = 0; step < 500; step++) {
      const dice = random();
      if (dice < 0.4 && sending.isOpen) {
        const item = 1 + randomIndex(400, random);
        sending.spend(item);
        spent += item;
        way.push(item);
      } else if (dice < 0.6 && way.length > 0) {
        const item = way.shift() as number;
        expect(receiving.receive(item)).toBe(true);
        unread.push(item);
        const held = unread.reduce((sum, each) => sum + each, 0);
        expect(held).toBeLessThan(bytes + 400);
      } else if (dice < 0.8 && unread.length > 0) {
        credits.push(receiving.consume(unread.shift() as number));
      } else if (credits.length > 0) {
        const granted = credits.shift() as number;
        sending.grant(granted);
        spent -= granted;
      }
    }
    for (const item of [...way, ...unread]) {
      credits.push(receiving.consume(item));
    }
    for (const granted of credits) spent -= granted;
    // Less than a quarter of it is still to be granted: nothing is lost, and a sender never waits for ever.
    expect(spent).toBeGreaterThanOrEqual(0);
    expect(spent).toBeLessThan(Math.max(1, bytes / 4));
  }
});
