import { expect, test } from "bun:test";
import { flag, parseFlags } from "../../src/cli/flags.ts";
import { metadata } from "../../src/cli/metadata-kind.ts";
import { UsageError } from "../../src/cli/usage-error.ts";

const table = { metadata: flag(metadata, "goes with it") };

function parse(args: string[], env: Record<string, string> = {}): unknown {
  const { metadata } = parseFlags(table, args, env).values;
  return metadata && [...metadata];
}

test.each([
  [["--metadata", "user=ann"], [["user", "ann"]]],
  [["--metadata=a=b=c"], [["a", "b=c"]]],
  [["--metadata", "a=1,b=2"], [["a", "1,b=2"]]],
  [["--metadata", "a="], [["a", ""]]],
  [
    ["--metadata", "a=1", "--metadata=b=é"],
    [
      ["a", "1"],
      ["b", "é"],
    ],
  ],
  [["--metadata", "key-bin=AQL/"], [["key-bin", Uint8Array.of(1, 2, 255)]]],
  [["--metadata", "key-bin="], [["key-bin", new Uint8Array()]]],
  [[], undefined],
])("%j", (args, entries) => {
  expect(parse(args)).toEqual(entries);
});

test("its twin in the environment has one a line", () => {
  const env = { GEERPC_METADATA: "a=1,2\nb=3\n" };
  expect(parse([], env)).toEqual([
    ["a", "1,2"],
    ["b", "3"],
  ]);
});

test.each([
  [["--metadata", "user"], "key=value"],
  [["--metadata", "=ann"], '""'],
  [["--metadata", "User=ann"], '"User"'],
  [["--metadata", "a b=ann"], '"a b"'],
  [["--metadata", "a=1", "--metadata", "a=2"], "once"],
  [["--metadata", "key-bin=%"], "base64"],
])("%j is refused, with what to write instead", (args, meant) => {
  let thrown: unknown;
  try {
    parse(args);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(UsageError);
  expect((thrown as Error).message).toContain(meant);
  expect((thrown as Error).message).not.toContain("\n");
});
