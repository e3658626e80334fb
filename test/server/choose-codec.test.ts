import { expect, test } from "bun:test";
import {
  binaryCodecType,
  gobCodecType,
  jsonCodecType,
} from "../../src/codec/table.ts";
import { RpcError } from "../../src/errors.ts";
import { chooseCodec } from "../../src/server/choose-codec.ts";
import { defaultLimits } from "../../src/wire/limits.ts";
import { magicNumber, type Option } from "../../src/wire/option.ts";

const context = { role: "accept", limits: defaultLimits } as const;

function choose(option: Partial<Option>, error?: RpcError) {
  const whole = {
    MagicNumber: magicNumber,
    CodecType: binaryCodecType,
    ConnectTimeout: 0,
    HandleTimeout: 0,
    ...option,
  };
  return chooseCodec({ option: whole, error }, context);
}

test.each([undefined, 1])("version %p of the protocol is spoken", (version) => {
  const option = version === undefined ? {} : { Protocol: version };
  const { codec, refusal } = choose(option);
  expect(codec).toBeDefined();
  expect(refusal).toBeUndefined();
});

test.each([0, 2, 2 ** 40])(
  "version %p is refused in the codec, by name of what is spoken",
  (Protocol) => {
    const { codec, refusal } = choose({ Protocol });
    expect(codec).toBeDefined();
    expect(refusal).toMatchObject({ code: "unimplemented", sent: false });
    expect(refusal?.message).toEndWith("only 1");
  },
);

test.each([jsonCodecType, gobCodecType])("%s has no versions", (CodecType) => {
  expect(choose({ CodecType, Protocol: 2 }).refusal).toBeUndefined();
});

test("a flaw of the Option itself comes first, whatever the version", () => {
  const flaw = new RpcError("invalid_argument", "no magic");
  expect(choose({ Protocol: 2 }, flaw).refusal).toBe(flaw);
});

test("bodies that are not known are refused in the codec without them", () => {
  const { codec, refusal } = choose({ Bodies: ["nobody's"] });
  expect(codec).toBeDefined();
  expect(refusal).toMatchObject({ code: "unimplemented" });
});
