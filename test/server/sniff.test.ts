import { expect, test } from "bun:test";
import { type Greeting, sniff } from "../../src/server/sniff.ts";

const cases: [string, Greeting | undefined][] = [
  ["", undefined],
  ["{", "option"],
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
  ["@", "unknown"],
  ["[", "unknown"],
  ["get /", "unknown"],
  ["connect ", "unknown"],
  [" {", "unknown"],
  ["\n", "unknown"],
  ["\x16\x03\x01", "unknown"],
  ["\xff", "unknown"],
];

for (const [text, greeting] of cases) {
  test(`${JSON.stringify(text)} is ${greeting}`, () => {
    expect(sniff(Buffer.from(text, "latin1"))).toBe(greeting as Greeting);
  });
}
