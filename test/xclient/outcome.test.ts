import { expect, test } from "bun:test";
import type { CallOutcome } from "../../src/balance/picker.ts";
import type { Client } from "../../src/client/client.ts";
import { type Code, codes, RpcError } from "../../src/errors.ts";
import { outcomeOf } from "../../src/xclient/outcome.ts";

type Row = [Code, boolean | undefined, isAvailable: boolean, CallOutcome];

const special: Row[] = [
  ["cancelled", undefined, true, "local"],
  ["cancelled", true, true, "local"],
  ["deadline_exceeded", undefined, true, "failed"],
  ["deadline_exceeded", false, true, "failed"],
  ["resource_exhausted", false, true, "local"],
  ["resource_exhausted", true, true, "answered"],
  ["unavailable", true, false, "failed"],
  ["unavailable", undefined, false, "failed"],
  ["unavailable", false, false, "local"],
  ["unavailable", false, true, "local"],
  ["unavailable", true, true, "answered"],
  ["invalid_argument", undefined, true, "local"],
  ["invalid_argument", true, true, "answered"],
];

const others = codes
  .filter((code) => !special.some(([one]) => one === code))
  .map((code): Row => [code, true, true, "answered"]);

test.each([...special, ...others])(
  "%s, sent %p, connected %p: %s",
  (code, sent, isAvailable, outcome) => {
    const error = new RpcError(code, "no", sent === undefined ? {} : { sent });
    expect(outcomeOf(error, { isAvailable } as Client)).toBe(outcome);
  },
);
