import { expect, test } from "bun:test";
import { type Greeting, sniff } from "../../src/server/sniff.ts";

/** What a Go program's net/rpc client sends first: the struct Request. */
const goDefinition = Buffer.from(
  "2e7f030101075265717565737401ff80000102010d536572766963654d6574686f64010c0001035365710106000000",
  "hex",
).toString("latin1");

const cases: [string, Greeting | undefined][] = [
  ["", undefined],
  ["{", undefined],
  ["{}", "option"],
  ['{ "', undefined],
  ['{"M', "option"],
  ['{"meth', undefined],
  ['{"methods":1', "option"],
  ['{"method"', "jsonrpc"],
  ['{\r\n  "jsonrpc":"2.0"', "jsonrpc"],
  ['{"params":[]', "jsonrpc"],
  ['{"id":1', "jsonrpc"],
  [`{${" ".repeat(62)}`, undefined],
  [`{${" ".repeat(63)}`, "option"],
  ['{"MagicNumber":1}', "option"],
  ["C", undefined],
  ["CONNECT", undefined],
  ["CONNECT ", "connect"],
  ["CONNECT /_geerpc_ HTTP/1.1\r\n", "connect"],
  ["CONNECTED ", "http"],
  ["COPY / HTTP/1.1", "http"],
  ["G", "http"],
  ["GET / HTTP/1.1", "http"],
  ["A", "http"],
  ["Z", "http"],
  ["[", "jsonrpc"],
  ["@", undefined],
  ["@x", "unknown"],
  ["\x2e\xff\x81\x03", undefined],
  [goDefinition.slice(0, -1), undefined],
  [goDefinition, "gorpc"],
  [`${goDefinition}more`, "gorpc"],
  [goDefinition.replace("ServiceMethod", "ServiceMethob"), "unknown"],
  ["get /", "unknown"],
  ["connect ", "unknown"],
  ["\n", undefined],
  [" \t\r\n", undefined],
  [" {", undefined],
  [' \t\r\n{"method"', "jsonrpc"],
  ["\n[", "jsonrpc"],
  [`${" ".repeat(64)}[`, "jsonrpc"],
  [" ".repeat(64), undefined],
  [" ".repeat(65), "unknown"],
  [`${" ".repeat(65)}[`, "unknown"],
  [' {"MagicNumber"', "unknown"],
  ["   {}", "unknown"],
  ["\nGET / HTTP/1.1", "unknown"],
  ["\v[", "unknown"],
  ["\r\xff\x81", undefined],
  [`\r\x7f${"x".repeat(12)}`, "unknown"],
  [` \x7f${"x".repeat(18)}ServiceMethod`, "gorpc"],
  ["\x16\x03\x01", "unknown"],
  ["\xff", "unknown"],
];

for (const [text, greeting] of cases) {
  test(`${JSON.stringify(text)} is ${greeting}`, () => {
    expect(sniff(Buffer.from(text, "latin1"))).toBe(greeting as Greeting);
  });
}
