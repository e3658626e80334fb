import { describe, expect, test } from "bun:test";
import { Transit } from "../../src/session/transit.ts";
import { testRandom } from "../support/seed.ts";

const wrapMs = 2 ** 32;
/** What adding 2^32 costs in precision. */
const roundingMs = 1e-5;

/** A peer whose handshake was at our instant 5,000, and whose clock runs at `pace` of ours. */
function peerOf(transit: Transit, pace = 1) {
  return {
    /** What a request has waited that is sent at our instant `sentAt` and read `afterMs` later. */
    send: (sentAt: number, afterMs: number) =>
      transit.waitedMs(
        Math.trunc((sentAt - 5_000) * pace) % wrapMs,
        sentAt + afterMs,
      ),
  };
}

describe("a request", () => {
  test("that is the first has waited 0, however long it took", () => {
    expect(peerOf(new Transit()).send(6_000, 3_000)).toBe(0);
  });

  test("has waited what is above the smallest difference, without the ms of truncation", () => {
    const peer = peerOf(new Transit());
    peer.send(6_000, 20);
    expect(peer.send(6_100, 20)).toBe(0);
    expect(peer.send(6_200, 520)).toBe(499);
    expect(peer.send(6_300, 22)).toBe(1);
  });

  test("that was faster than all others is what the next are measured by", () => {
    const peer = peerOf(new Transit());
    peer.send(6_000, 3_000);
    expect(peer.send(6_100, 20)).toBe(0);
    expect(peer.send(6_200, 120)).toBe(99);
  });

  test("has not waited because its instant was cut down to whole ms", () => {
    const peer = peerOf(new Transit());
    peer.send(6_000, 0.5);
    expect(peer.send(6_000.999, 0.5)).toBe(0);
  });

  test("has never waited less than 0", () => {
    const peer = peerOf(new Transit());
    peer.send(6_000.9, 0);
    expect(peer.send(6_001, 0)).toBe(0);
    expect(peer.send(6_001, 0.5)).toBe(0);
  });
});

describe("when the sender's count begins again", () => {
  test.each([1, 2, 4])("for time %d, waits are as before", (turns) => {
    const peer = peerOf(new Transit());
    const againAt = 5_000 + turns * wrapMs;
    expect(peer.send(againAt - 200, 10)).toBe(0);
    expect(peer.send(againAt - 100, 60)).toBe(49);
    expect(peer.send(againAt, 10)).toBe(0);
    expect(peer.send(againAt + 10, 60)).toBe(49);
    // From before, though it is told of later: its body came in pieces.
    expect(peer.send(againAt - 50, 3_010)).toBe(2_999);
    expect(peer.send(againAt + 3_100, 60)).toBe(49);
  });

  test("one that was faster is what the next are measured by", () => {
    const peer = peerOf(new Transit());
    const againAt = 5_000 + wrapMs;
    peer.send(againAt - 1_000, 500);
    peer.send(againAt + 1_000, 10);
    expect(peer.send(againAt + 2_000, 110)).toBe(99);
  });

  test("one from before may be told of behind the first", () => {
    const peer = peerOf(new Transit());
    const againAt = 5_000 + wrapMs;
    peer.send(againAt + 10, 10);
    expect(peer.send(againAt - 50, 3_010)).toBe(2_999);
    expect(peer.send(againAt + 3_100, 110)).toBe(99);
  });

  test("on a connection that is never silent, waits are as before", () => {
    const peer = peerOf(new Transit());
    let longestMs = 0;
    for (let at = 6_000; at < 4 * wrapMs; at += 59_000) {
      longestMs = Math.max(longestMs, peer.send(at, 10));
    }
    expect(longestMs).toBe(0);
    expect(peer.send(4 * wrapMs, 110)).toBe(99);
  });
});

describe("the smallest difference", () => {
  test.each([0, 30_000, 59_000])(
    "that comes %d ms behind the first request counts for a minute",
    (behindMs) => {
      const peer = peerOf(new Transit());
      peer.send(6_000, 500);
      peer.send(6_000 + behindMs, 10);
      expect(peer.send(6_000 + behindMs + 59_900, 110)).toBe(99);
    },
  );

  test("is forgotten after two minutes, though requests came all the time", () => {
    const peer = peerOf(new Transit());
    peer.send(6_000, 10);
    for (let at = 7_000; at < 125_000; at += 1_000) {
      expect(peer.send(at, 110)).toBe(99);
    }
    expect(peer.send(126_000, 110)).toBe(0);
  });

  test("is forgotten in time when the buckets turn late", () => {
    const peer = peerOf(new Transit());
    peer.send(6_000, 10);
    expect(peer.send(124_000, 110)).toBe(99);
    expect(peer.send(127_000, 110)).toBe(0);
  });

  test("is forgotten in silence, and the first request after it has waited 0", () => {
    const peer = peerOf(new Transit());
    peer.send(6_000, 10);
    expect(peer.send(6_000 + 121_000, 5_000)).toBe(0);
    expect(peer.send(6_000 + 127_000, 10)).toBe(0);
    expect(peer.send(6_000 + 128_000, 110)).toBe(99);
  });

  test.each([1 - 1e-4, 1 + 1e-4])(
    "follows a clock that runs at %d of ours for a day",
    (pace) => {
      const peer = peerOf(new Transit(), pace);
      let longestMs = 0;
      for (let at = 6_000; at < 86_400_000; at += 500) {
        longestMs = Math.max(longestMs, peer.send(at, 10));
      }
      expect(longestMs).toBeLessThanOrEqual(12);
      const waitedMs = peer.send(86_400_000, 2_010);
      expect(waitedMs).toBeGreaterThanOrEqual(1_986);
      expect(waitedMs).toBeLessThanOrEqual(2_012);
    },
  );

  test("lies between those of the last minute and of the last two, whatever comes", () => {
    const random = testRandom();
    const transit = new Transit();
    const came: { at: number; differenceMs: number }[] = [];
    // Near to where the sender's count begins again.
    const handshakeAt = 1_000 - wrapMs + 600_000;
    let now = 1_000;
    for (let count = 0; count < 3_000; count++) {
      now += random() < 0.01 ? random() * 200_000 : random() * 2_000;
      const waitMs = random() * (random() < 0.1 ? 8_000 : 50);
      const sentAtMs = Math.trunc(now - waitMs - handshakeAt);
      came.push({ at: now, differenceMs: now - sentAtMs });
      const aboveMs = (forMs: number) => {
        const differences = came
          .filter(({ at }) => at >= now - forMs)
          .map(({ differenceMs }) => differenceMs);
        return Math.max(0, now - sentAtMs - Math.min(...differences) - 1);
      };
      const waitedMs = transit.waitedMs(sentAtMs % wrapMs, now);
      expect(waitedMs).toBeGreaterThanOrEqual(aboveMs(60_000) - roundingMs);
      expect(waitedMs).toBeLessThanOrEqual(aboveMs(120_000) + roundingMs);
    }
  });
});
