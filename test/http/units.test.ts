import { expect, test } from "bun:test";
import {
  countText,
  cutTo,
  durationText,
  uptimeText,
} from "../../src/http/units.ts";

test.each([
  [0, "0 µs"],
  [0.42, "0.42 µs"],
  [12.34, "12.3 µs"],
  [999, "999 µs"],
  [999.9, "1 ms"],
  [1_000, "1 ms"],
  [1_254, "1.25 ms"],
  [999_999, "1 s"],
  [3_400_000, "3.4 s"],
  [119_000_000, "119 s"],
  [120_000_000, "2 min"],
  [7_200_000_000, "120 min"],
])("%d µs are %s", (us, text) => {
  expect(durationText(us)).toBe(text);
});

test.each([
  [0, "0 s"],
  [59_999, "59 s"],
  [60_000, "1 min 0 s"],
  [3_599_999, "59 min 59 s"],
  [3_600_000, "1 h 0 min"],
  [86_399_999, "23 h 59 min"],
  [273_600_000, "3 d 4 h"],
])("%d ms up are %s", (ms, text) => {
  expect(uptimeText(ms)).toBe(text);
});

test("counts have their thousands apart", () => {
  expect([0, 999, 1_234_567].map(countText)).toEqual(["0", "999", "1,234,567"]);
});

test("text is cut to its room", () => {
  expect([cutTo("abc", 3), cutTo("abcd", 3)]).toEqual(["abc", "ab…"]);
});
