import { expect, test } from "bun:test";
import { Place } from "../../src/service/place.ts";

/** A place taken at 1,000 by a call whose caller waits for 500 ms, and what the limit is told of it. */
function setUp(givenMs = 500) {
  const told: unknown[] = [];
  const place = new Place(
    {
      release: () => void told.push("released"),
      leave: () => void told.push("left"),
      done: () => void told.push("done"),
      sample: (_startedAt, now, _givenMs, outcome) =>
        void told.push([now, outcome]),
    },
    1_000,
    givenMs,
  );
  return { place, told };
}

test("a call that succeeds", () => {
  const { place, told } = setUp();
  place.end(1_100, false);
  expect(told).toEqual(["done", "released", [1_100, "succeeded"], "left"]);
});

test("one that fails gets nothing done", () => {
  const { place, told } = setUp();
  place.end(1_100, true);
  expect(told).toEqual(["released", [1_100, "failed"], "left"]);
});

test("one whose caller leaves is a sample once, and done when it ends", () => {
  const { place, told } = setUp();
  place.giveUp(1_100);
  place.giveUp(1_200);
  expect(told.splice(0)).toEqual(["released", [1_100, "failed"]]);
  place.end(1_300, false);
  expect(told).toEqual(["done", "left"]);
});

test.each([
  [500, 1_500, "expired"],
  [500, 1_450, "expired"],
  [500, 1_449, "failed"],
  [Infinity, 900_000, "failed"],
])(
  "one that has %d ms and is given up at %d has %s",
  (givenMs, now, outcome) => {
    const { place, told } = setUp(givenMs);
    place.giveUp(now);
    expect(told).toEqual(["released", [now, outcome]]);
  },
);

test("one that turns out to stream", () => {
  const { place, told } = setUp();
  place.leave(1_100);
  expect(told).toEqual(["released", "left"]);
  const given = setUp();
  given.place.giveUp(1_100);
  given.told.length = 0;
  given.place.leave(1_200);
  expect(given.told).toEqual(["left"]);
});
