import { expect, test } from "bun:test";
import { frameSizes, streamFrameSizes } from "../../src/bench/frame-sizes.ts";

const sum = { Num1: 1000, Num2: 1000 };

test("binary: the method's name, which goes over once, does not count", () => {
  const short = frameSizes("application/x-geerpc", "Foo.Sum", sum, 2000);
  // Header 16, request head 10, the JSON; header 16 and four digits.
  expect(short).toEqual({ request: 16 + 10 + 25, response: 16 + 4 });
  expect(
    frameSizes("application/x-geerpc", "Quite.ALongName", sum, 2000),
  ).toEqual(short);
});

test("binary: pieces count whole", () => {
  const bytes = new Uint8Array(100_000);
  const { request } = frameSizes(
    "application/x-geerpc",
    "Foo.Echo",
    bytes,
    undefined,
  );
  // A frame with the total length, and two pieces.
  expect(request).toBe(16 + 10 + 4 + 2 * 16 + 100_000);
});

test("JSON: two lines each", () => {
  const header = '{"ServiceMethod":"Foo.Sum","Seq":1,"Error":""}\n';
  expect(frameSizes("application/json", "Foo.Sum", sum, 2000)).toEqual({
    request: header.length + 26,
    response: header.length + 5,
  });
});

test("a stream: its request, without an argument, and an item", () => {
  const sizesOf = (item: unknown) =>
    streamFrameSizes("application/x-geerpc", "Foo.Count", item);
  expect(sizesOf(1234)).toEqual({ request: 16 + 10, response: 16 + 4 });
  // A frame with the total length, and two pieces.
  const { response } = sizesOf(new Uint8Array(100_000));
  expect(response).toBe(16 + 4 + 2 * 16 + 100_000);
});
