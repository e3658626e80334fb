import { expect, test } from "bun:test";
import { jsonCodec } from "../../src/codec/json.ts";
import {
  binaryCodecType,
  codecTypes,
  createCodec,
  hasCodec,
  jsonCodecType,
  registerCodec,
} from "../../src/codec/table.ts";
import { codeThrownBy } from "./code-thrown-by.ts";
import { contextOf } from "./recorder.ts";

test("the table knows the codecs that come along, and those of users", () => {
  for (const codecType of [binaryCodecType, jsonCodecType]) {
    expect(hasCodec(codecType)).toBe(true);
    expect(codecTypes()).toContain(codecType);
    expect(codeThrownBy(() => registerCodec(codecType, jsonCodec))).toBe(
      "already_exists",
    );
  }
  const codecType = "test/table";
  const create = () => createCodec(codecType, contextOf("dial"));
  expect(hasCodec(codecType)).toBe(false);
  expect(codeThrownBy(create)).toBe("unimplemented");
  registerCodec(codecType, jsonCodec);
  expect(hasCodec(codecType)).toBe(true);
  expect(create().features).toEqual(
    createCodec(jsonCodecType, contextOf("dial")).features,
  );
  for (const name of ["", "__proto__", "constructor"]) {
    expect(hasCodec(name)).toBe(false);
  }
});
