import { expect, test } from "bun:test";
import { idTextsOf } from "../../../src/codec/jsonrpc/id-texts.ts";

const texts: [string, [number, string][]][] = [
  [`{"id":1.50}`, [[0, "1.50"]]],
  [` { "id" : -0 , "method":"A.b"}`, [[0, "-0"]]],
  [`{"params":[{"id":2}],"a":{"id":3},"id":1e400}`, [[0, "1e400"]]],
  [`{"id":1,"id":2}`, [[0, "2"]]],
  [String.raw`{"\u0069d":7}`, [[0, "7"]]],
  [String.raw`{"method":"id","x":"\"id\":5","y\\":"{","id":6}`, [[0, "6"]]],
  [`{"id":"7"}`, []],
  [`{"params":{"id":7}}`, []],
  [
    `[{"a":[1,2],"id":1},0,"x,y",{"id":2.0}]`,
    [
      [0, "1"],
      [3, "2.0"],
    ],
  ],
  [`[[{"id":1}],{"p":{"id":2},"id":3}]`, [[1, "3"]]],
];

test.each(texts)("%s", (text, found) => {
  JSON.parse(text);
  expect([...idTextsOf(text)]).toEqual(found);
});
