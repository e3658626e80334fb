import { expect, test } from "bun:test";
import { FailureRecord } from "../../src/balance/failure-record.ts";

/** Tells a record of calls at one instant, `.` answered and `x` failed; gives what the last failure was. */
function tell(record: FailureRecord, calls: string, now = 0) {
  let reason: ReturnType<FailureRecord["failed"]>;
  for (const call of calls) {
    if (call === "x") reason = record.failed(now);
    else record.answered(now);
  }
  return reason;
}

/** 43 of 49 calls failed, of which none lately. */
const nearlyAll = `${"x".repeat(43)}......`;

test("the fifth failure in a row makes an outlier, and each further one", () => {
  const record = new FailureRecord();
  expect(tell(record, "xxxx")).toBeUndefined();
  expect(tell(record, "x")).toBe("failures-in-a-row");
  expect(tell(record, "x")).toBe("failures-in-a-row");
});

test("an answer ends the row", () => {
  expect(tell(new FailureRecord(), "xxxx.xxxx.xxxx")).toBeUndefined();
});

test("85 % of 50 calls make one, too", () => {
  // 44 of 50 are 88 %.
  expect(tell(new FailureRecord(), `${nearlyAll}x`)).toBe("failure-rate");
  // 43 of 50 are 86 %, 42 of 50 are 84 %.
  const forty = "x".repeat(40);
  expect(tell(new FailureRecord(), `${forty}.......xxx`)).toBe("failure-rate");
  expect(tell(new FailureRecord(), `${forty}........xx`)).toBeUndefined();
  const all = `${"x".repeat(84)}${".".repeat(15)}x`;
  expect(tell(new FailureRecord(), all)).toBe("failure-rate");
});

test("fewer calls than 50 have no rate", () => {
  expect(tell(new FailureRecord(), `${"x".repeat(44)}....x`)).toBeUndefined();
  expect(tell(new FailureRecord(), `${"x".repeat(44)}.....x`)).toBe(
    "failure-rate",
  );
});

test("calls of more than 10 s ago are not counted", () => {
  const record = new FailureRecord();
  tell(record, nearlyAll, 1_000);
  expect(tell(record, "x", 11_000)).toBeUndefined();
  const other = new FailureRecord();
  tell(other, nearlyAll, 1_000);
  expect(tell(other, "x", 10_999)).toBe("failure-rate");
});

test("what was cleared is not counted", () => {
  const record = new FailureRecord();
  tell(record, `${nearlyAll}xxxx`);
  record.clear();
  expect(tell(record, "xxxx")).toBeUndefined();
});
