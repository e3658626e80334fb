import { expect, test } from "bun:test";
import { formatGobType } from "../../src/codec/gob/format-gob-type.ts";
import { gobType } from "../../src/cli/gob-kind.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

test.each([
  "int",
  "[]float64",
  "map[string]int",
  "Avg:float64",
  "Num1:int,Tags:[]string",
])("%s is a type", (text) => {
  const type = gobType.parse(text);
  // What it says of itself is read as the same.
  const again = gobType.parse(formatGobType(type).replace(/^\{|\}$/g, ""));
  expect(formatGobType(again)).toBe(formatGobType(type));
});

test.each(["Avg:", "Avg float64", "float65", "[]", "map[string"])(
  "%j is none, and the error says what to write",
  (text) => {
    let thrown: unknown;
    try {
      gobType.parse(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(UsageError);
    expect((thrown as Error).message).toContain("Num1:int,Avg:float64");
  },
);
