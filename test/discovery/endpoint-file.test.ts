import { expect, test } from "bun:test";
import { readEndpointFile } from "../../src/discovery/endpoint-file.ts";
import type { RpcError } from "../../src/errors.ts";

const a = { address: "tcp@10.0.0.1:4000", services: undefined };
const b = { address: "unix@/run/a#b.sock", services: undefined };

test("lines: an address on each, with comments, blank lines and CRs", () => {
  const text = `\n# the old ones\r\n10.0.0.1:4000\r\n\t unix@/run/a#b.sock # until Friday\n#tcp@h:1`;
  expect(readEndpointFile(text)).toEqual([a, b]);
});

test("nothing, or nothing but comments, is nobody", () => {
  for (const text of ["", "\n \n", "# none\n"]) {
    expect(readEndpointFile(text)).toEqual([]);
  }
});

test("a line that is no address is refused, by its number", () => {
  const text = "10.0.0.1:4000\n\n10.0.0.2";
  let failed: unknown;
  try {
    readEndpointFile(text);
  } catch (thrown) {
    failed = thrown;
  }
  expect(failed).toMatchObject({ code: "invalid_argument" });
  expect((failed as RpcError).message).toContain("line 3");
});

test("JSON: as a registry lists servers", () => {
  const servers = [
    { address: "tcp@h:2", services: ["Foo"], zone: "east", weight: 2 },
    { address: "10.0.0.1:4000" },
    { address: "quic@h:1" },
  ];
  const text = ` \n${JSON.stringify({ servers }, undefined, 2)}`;
  expect(readEndpointFile(text)).toEqual([
    a,
    { address: "tcp@h:2", services: ["Foo"], zone: "east", weight: 2 },
  ]);
});

test("broken JSON, and such without a usable server, is refused", () => {
  for (const text of [
    `{"servers":[`,
    "{}",
    `{"servers":{}}`,
    `{"servers":[{"address":"quic@h:1"}]}`,
  ]) {
    expect(() => readEndpointFile(text)).toThrow(
      expect.objectContaining({ code: "internal" }),
    );
  }
});
