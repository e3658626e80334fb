import { gob } from "./gob.ts";
import type { GobType } from "./gob-type.ts";
import type { ArrayType, SliceType } from "./list-types.ts";
import type { MapType } from "./map-type.ts";
import { Misfit, namelessField } from "./misfit.ts";
import type { OpaqueEncoding, OpaqueType } from "./opaque-type.ts";
import type { StructType } from "./struct-type.ts";

interface CommonType {
  Name: string;
  Id: number | bigint;
}

/** How a type is described on the wire: exactly one of the seven is there, the others null. */
export interface Definition {
  ArrayT: {
    CommonType: CommonType | null;
    Elem: number | bigint;
    Len: number | bigint;
  } | null;
  SliceT: { CommonType: CommonType | null; Elem: number | bigint } | null;
  StructT: {
    CommonType: CommonType | null;
    Field: { Name: string; Id: number | bigint }[];
  } | null;
  MapT: {
    CommonType: CommonType | null;
    Key: number | bigint;
    Elem: number | bigint;
  } | null;
  GobEncoderT: { CommonType: CommonType | null } | null;
  BinaryMarshalerT: { CommonType: CommonType | null } | null;
  TextMarshalerT: { CommonType: CommonType | null } | null;
}

const commonType = gob.struct({ Name: gob.string, Id: gob.int });
const opaqueType = gob.struct({ CommonType: commonType });

/** The type of definitions themselves, which every stream knows. Source: encoding/gob, wireType. */
export const definitionType = gob.struct({
  ArrayT: gob.struct({ CommonType: commonType, Elem: gob.int, Len: gob.int }),
  SliceT: gob.struct({ CommonType: commonType, Elem: gob.int }),
  StructT: gob.struct({
    CommonType: commonType,
    Field: gob.slice(gob.struct({ Name: gob.string, Id: gob.int })),
  }),
  MapT: gob.struct({ CommonType: commonType, Key: gob.int, Elem: gob.int }),
  GobEncoderT: opaqueType,
  BinaryMarshalerT: opaqueType,
  TextMarshalerT: opaqueType,
});

/** The member of a Definition that describes a type which encodes itself. */
export const opaqueMembers = {
  gob: "GobEncoderT",
  binary: "BinaryMarshalerT",
  text: "TextMarshalerT",
} as const satisfies Record<OpaqueEncoding, keyof Definition>;

/**
 * The definition of `type`, which is none of the built-in ones.
 *
 * @throws Misfit invalid_argument  a field has no name
 */
export function definitionOf(
  type: GobType,
  idOf: (type: GobType) => number,
): Partial<Definition> {
  const common: CommonType = { Name: type.name, Id: idOf(type) };
  switch (type.kind) {
    case "slice":
      return {
        SliceT: { CommonType: common, Elem: idOf((type as SliceType).elem) },
      };
    case "array": {
      const { elem, length } = type as ArrayType;
      return {
        ArrayT: { CommonType: common, Elem: idOf(elem), Len: length },
      };
    }
    case "map": {
      const { key, elem } = type as MapType;
      return {
        MapT: { CommonType: common, Key: idOf(key), Elem: idOf(elem) },
      };
    }
    case "struct": {
      const fields = (type as StructType).fields.map(({ name, type }) => {
        if (name === "") throw new Misfit(namelessField);
        return { Name: name, Id: idOf(type) };
      });
      return { StructT: { CommonType: common, Field: fields } };
    }
    default: {
      const member = opaqueMembers[(type as OpaqueType).encoding];
      return { [member]: { CommonType: common } };
    }
  }
}
