import type { SendBuffer } from "../../wire/send-buffer.ts";
import { concreteOf } from "./concrete.ts";
import { exhausted } from "./gob-errors.ts";
import { defaultGobLimits, type GobLimits } from "./gob-limits.ts";
import { formatGobType } from "./format-gob-type.ts";
import { GobRegistry } from "./gob-registry.ts";
import type { GobType } from "./gob-type.ts";
import { GobWriter } from "./gob-writer.ts";
import { Inference } from "./inference.ts";
import { Misfit } from "./misfit.ts";
import { emptyStruct } from "./type-finder.ts";
import { TypeIds, type TypeIdsOptions } from "./type-ids.ts";

/** Past it a declaration may be cut, and tell nothing. */
const maxTextLength = 4_096;

export interface GobEncoderOptions extends TypeIdsOptions {
  limits?: Partial<GobLimits>;
  registry?: GobRegistry;
}

/**
 * The sending end of one gob stream: one for each direction of a connection,
 * since a type is defined once and from then on goes by its id.
 */
export class GobEncoder {
  readonly #limits: GobLimits;
  readonly #registry: GobRegistry;
  readonly #ids: TypeIds;
  readonly #writer: GobWriter;
  readonly #inference = new Inference();
  /** Types inside interfaces by their declaration. */
  readonly #byText = new Map<string, GobType>();
  /** For what is inside interfaces: there a fraction tells nothing of the next value. */
  readonly #inferenceInside = new Inference({ remembers: false });

  constructor(options: GobEncoderOptions = {}) {
    this.#limits = { ...defaultGobLimits, ...options.limits };
    this.#registry = options.registry ?? new GobRegistry();
    this.#ids = new TypeIds(this.#limits, options);
    this.#writer = new GobWriter(this.#limits.maxDepth, (value) =>
      this.#writeConcrete(value),
    );
  }

  /**
   * Appends the definitions that `value` needs and the value itself.
   *
   * `type` is what it is sent as; without one it is inferred, with a memory
   * that this encoder keeps for all its values: give the type, or that of an
   * Inference of your own, where values of different meaning alternate.
   * `root` names the value in errors: `args` gives `args.items[3].when`.
   * When it throws, buffer and stream are as they were.
   *
   * @throws RpcError invalid_argument    the value, or a part of it, is none of its type; too deep, or a cycle
   * @throws RpcError resource_exhausted  too large, too many types
   */
  encode(
    out: SendBuffer,
    value: unknown,
    type?: GobType,
    root = "value",
  ): void {
    const sent = type ?? this.#inference.typeOf(value, undefined, root);
    const content = sent === emptyStruct ? (value ?? {}) : value;
    const writer = this.#writer;
    const { length } = out;
    const mark = this.#ids.mark();
    writer.out = out;
    writer.depth = 0;
    writer.mostBytes = length + this.#limits.maxMessageBytes;
    try {
      const outer = writer.beginSegment();
      writer.writeInt(this.#ids.define(writer, sent));
      writeTop(writer, sent, content);
      writer.endSegment(outer);
      this.#checkSize(out.length - length);
    } catch (thrown) {
      out.truncate(length);
      this.#ids.rollback(mark);
      throw Misfit.toRpcError(thrown, root);
    }
  }

  #writeConcrete(value: {}): void {
    const writer = this.#writer;
    const { name, type, content } = concreteOf(
      value,
      this.#registry,
      this.#inferenceInside,
    );
    const known = this.#likeOf(type);
    writer.enter();
    writer.writeText(name);
    writer.writeInt(this.#ids.define(writer, known));
    const outer = writer.beginSegment();
    writeTop(writer, known, content);
    writer.endSegment(outer);
    writer.leave();
  }

  /**
   * The type of the same structure that this stream has defined: values that
   * came out of other streams bring that stream's types, of which there may be
   * many alike.
   */
  #likeOf(type: GobType): GobType {
    if (this.#ids.idOf(type) !== 0) return type;
    const text = formatGobType(type);
    if (text.length > maxTextLength) return type;
    const known = this.#byText.get(text);
    if (known !== undefined && this.#ids.idOf(known) !== 0) return known;
    if (this.#byText.size < this.#limits.maxTypes) this.#byText.set(text, type);
    return type;
  }

  #checkSize(bytes: number): void {
    const { maxMessageBytes } = this.#limits;
    if (bytes <= maxMessageBytes) return;
    throw exhausted(
      `a message of ${bytes} bytes, more than ${maxMessageBytes}`,
    );
  }
}

/** A value by itself: one that is no struct has a zero before it. */
function writeTop(writer: GobWriter, type: GobType, value: unknown): void {
  if (type.kind !== "struct") writer.writeByte(0);
  type.write(writer, value);
}
