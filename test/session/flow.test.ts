import { describe, expect, test } from "bun:test";
import { RpcError } from "../../src/errors.ts";
import { Flow } from "../../src/session/flow.ts";
import type { ItemPump } from "../../src/session/item-pump.ts";
import type { Sender } from "../../src/session/sender.ts";
import { ReceiveWindow } from "../../src/session/window.ts";
import { defaultLimits } from "../../src/wire/limits.ts";

const maxMessageBytes = 1_000;

/** A flow whose sender does as the test says. */
function setUp(connectionWindowBytes = 100) {
  const credits: unknown[] = [];
  const sender = {
    hasItemRoom: true,
    credit: (...credit: unknown[]) => void credits.push(credit),
  };
  const flow = new Flow(sender as unknown as Sender, {
    ...defaultLimits,
    streamWindowBytes: 40,
    connectionWindowBytes,
    maxMessageBytes,
  });
  return { flow, sender, credits };
}

/** A pump that does what the test says when its turn comes. */
function pumpOf(run: () => void): ItemPump {
  return { run } as unknown as ItemPump;
}

function codeThrownBy(work: () => void): string | undefined {
  try {
    work();
  } catch (thrown) {
    return RpcError.from(thrown).code;
  }
  return undefined;
}

describe("towards the peer", () => {
  test("nothing may go before it has said what it takes", () => {
    const { flow } = setUp();
    expect(flow.newSendWindow()).toBe(undefined);
    expect(flow.hasRoom).toBe(false);
    flow.open(10, 20);
    expect(flow.hasRoom).toBe(true);
    expect(flow.newSendWindow()?.isOpen).toBe(true);
  });

  test("the window of a stream and that of all are the peer's", () => {
    const { flow } = setUp();
    flow.open(10, 20);
    const stream = flow.newSendWindow();
    stream?.spend(10);
    expect(stream?.isOpen).toBe(false);
    expect(flow.newSendWindow()?.isOpen).toBe(true);
    flow.spend(19);
    expect(flow.hasRoom).toBe(true);
    flow.spend(1);
    expect(flow.hasRoom).toBe(false);
    flow.grant(1);
    expect(flow.hasRoom).toBe(true);
  });

  test("nothing may go while much is queued", () => {
    const { flow, sender } = setUp();
    flow.open(10, 20);
    sender.hasItemRoom = false;
    expect(flow.hasRoom).toBe(false);
  });
});

describe("those that wait", () => {
  function opened() {
    const set = setUp();
    const ran: string[] = [];
    const { flow } = set;
    flow.open(1_000, 100);
    /** Sends items of 100 bytes, parking where there is no room. */
    const sending = (name: string, items: number): ItemPump => {
      const pump = pumpOf(() => {
        if (!flow.hasRoom) {
          flow.park(pump);
          return;
        }
        ran.push(name);
        flow.spend(100);
        if (--items > 0) pump.run();
      });
      return pump;
    };
    return { ...set, ran, sending };
  }

  test("go on when the windows are known", () => {
    const { flow } = setUp();
    let runs = 0;
    flow.park(pumpOf(() => void runs++));
    flow.wake();
    expect(runs).toBe(0);
    flow.open(10, 20);
    expect(runs).toBe(1);
    flow.wake();
    expect(runs).toBe(1);
  });

  test("go on in the order of their coming, one that waits again behind the others", () => {
    const { flow, ran, sending } = opened();
    flow.spend(100);
    for (const name of ["a", "b", "c"]) flow.park(sending(name, 2));
    for (let turn = 0; turn < 6; turn++) {
      expect(ran).toHaveLength(turn);
      flow.grant(100);
    }
    expect(ran).toEqual(["a", "b", "c", "a", "b", "c"]);
  });

  test("go on as far as there is room", () => {
    const { flow, ran, sending } = opened();
    flow.spend(100);
    for (const name of ["a", "b", "c"]) flow.park(sending(name, 1));
    flow.grant(101);
    expect(ran).toEqual(["a", "b"]);
    flow.grant(200);
    expect(ran).toEqual(["a", "b", "c"]);
  });

  test("and are not looked at where there is none", () => {
    const { flow, sender } = opened();
    let runs = 0;
    sender.hasItemRoom = false;
    flow.park(pumpOf(() => void runs++));
    flow.wake();
    expect(runs).toBe(0);
  });

  test("do not go on once they are over", () => {
    const { flow } = opened();
    let runs = 0;
    const parked = pumpOf(() => void runs++);
    const holding = pumpOf(() => void runs++);
    flow.park(parked);
    flow.parkHolding(holding);
    flow.unpark(parked);
    flow.unpark(holding);
    flow.wake();
    expect(runs).toBe(0);
  });

  test("for pieces are asked at each flush, once, whether there is room or not", () => {
    const { flow, sender } = opened();
    sender.hasItemRoom = false;
    let runs = 0;
    const pump = pumpOf(() => {
      runs++;
      if (runs < 3) flow.parkHolding(pump);
    });
    flow.parkHolding(pump);
    for (let flush = 1; flush <= 4; flush++) {
      flow.wake();
      expect(runs).toBe(Math.min(flush, 3));
    }
  });

  test("100,000 of them, whose items are each flushed at once, do not exhaust the stack, and go in order", () => {
    const { flow } = opened();
    flow.open(1, 1e12);
    const count = 100_000;
    const ran: number[] = [];
    for (let at = 0; at < count; at++) {
      flow.park(
        pumpOf(() => {
          ran.push(at);
          // What it sent was flushed.
          flow.wake();
        }),
      );
    }
    flow.wake();
    expect(ran).toEqual(Array.from({ length: count }, (_, at) => at));
  });

  test("are told of room that a pump's own flush has made", () => {
    const { flow, sender } = opened();
    sender.hasItemRoom = false;
    const ran: string[] = [];
    const waiting = pumpOf(() => void ran.push("waiting"));
    flow.park(waiting);
    flow.parkHolding(
      pumpOf(() => {
        ran.push("holding");
        sender.hasItemRoom = true;
        flow.wake();
      }),
    );
    const holding = pumpOf(() => void ran.push("holding, too"));
    flow.park(
      pumpOf(() => {
        flow.parkHolding(holding);
        flow.wake();
      }),
    );
    flow.wake();
    expect(ran).toEqual(["holding", "waiting", "holding, too"]);
  });
});

describe("from the peer", () => {
  test("an item counts for its stream and for the connection; one too many is refused", () => {
    const { flow } = setUp();
    const stream = flow.newReceiveWindow();
    flow.receive(40, stream);
    expect(codeThrownBy(() => flow.receive(1, stream))).toBe(
      "resource_exhausted",
    );
    expect(codeThrownBy(() => flow.receive(1, flow.newReceiveWindow()))).toBe(
      undefined,
    );
  });

  test("the connection's window holds for all streams together, and those that are none", () => {
    const { flow } = setUp();
    // Its window, and one message of another stream that was begun before and came later.
    for (let streams = 0; streams < 11; streams++) {
      flow.receive(100, flow.newReceiveWindow());
    }
    for (const receive of [
      () => flow.receive(1, flow.newReceiveWindow()),
      () => flow.receive(1),
      () => flow.drop(1),
    ]) {
      expect(codeThrownBy(receive)).toBe("resource_exhausted");
    }
    // What takes nothing is no item.
    expect(codeThrownBy(() => flow.drop(0))).toBe(undefined);
  });

  test("what was consumed is granted to all together, a quarter of the window at a time", () => {
    const { flow, credits } = setUp();
    flow.receive(60);
    flow.consume(24);
    expect(credits).toEqual([]);
    flow.consume(11);
    expect(credits).toEqual([[0, false, 35]]);
  });

  test("what nobody waits for is given back at once", () => {
    const { flow, credits } = setUp();
    for (let items = 0; items < 1_000; items++) flow.drop(50);
    expect(credits).toHaveLength(1_000);
  });

  test("a part of an item that is given up is given back, and never too much", () => {
    const { flow, credits } = setUp();
    for (let items = 0; items < 1_000; items++) flow.forget(5_000);
    expect(credits).toHaveLength(1_000);
    // What it took is not there twice.
    flow.receive(1_100);
    expect(codeThrownBy(() => flow.receive(1))).toBe("resource_exhausted");
  });

  test("behind the end nothing is granted", () => {
    const { flow, credits } = setUp();
    flow.receive(60);
    flow.end();
    flow.consume(60);
    expect(credits).toEqual([]);
  });
});

test("items count as work in both directions, but not those that nobody waits for", () => {
  const { flow } = setUp();
  flow.open(10, 20);
  flow.receive(1, new ReceiveWindow(1));
  flow.spend(1);
  expect(flow.itemCount).toBe(2);
  flow.drop(1);
  flow.forget(1);
  expect(flow.itemCount).toBe(2);
});
