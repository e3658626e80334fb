import { RpcError } from "../../errors.ts";
import { pathTo } from "../value.ts";

/** A value that MessagePack has no form for, on its way into an extension type (PROTOCOL.md, "MessagePack"). */
export class MapEntries {
  /** key, value, key, value … */
  constructor(readonly flat: unknown[]) {}
}
export class SetItems {
  constructor(readonly items: unknown[]) {}
}
/** An object with a key that decoders would take for its prototype. */
export class ObjectEntries {
  constructor(readonly flat: unknown[]) {}
}
export class BigInteger {
  constructor(readonly value: bigint) {}
}
export class Instant {
  constructor(readonly ms: number) {}
}
export class NegativeZero {}
/** A string with lone surrogates, which UTF-8 cannot hold. */
export class IllFormedText {
  constructor(readonly text: string) {}
}
export class TypedArray {
  constructor(
    readonly array: Exclude<NodeJS.TypedArray, Uint8Array> | ArrayBuffer,
  ) {}
}

/**
 * Rebuilds `value` of what MessagePack has, with the rest wrapped in the
 * classes above. `value` is not changed; bytes are not copied.
 *
 * @throws RpcError invalid_argument  a function, a symbol, a promise, a cycle or too deep a nesting, with its path
 */
export function lower(value: unknown, maxDepth: number): unknown {
  return new Lowering(maxDepth).lower(value, "value");
}

class Lowering {
  readonly #maxDepth: number;
  readonly #ancestors: object[] = [];

  constructor(maxDepth: number) {
    this.#maxDepth = maxDepth;
  }

  lower(value: unknown, path: string): unknown {
    switch (typeof value) {
      case "number":
        return Object.is(value, -0) ? new NegativeZero() : value;
      case "bigint":
        return new BigInteger(value);
      case "string":
        return value.isWellFormed() ? value : new IllFormedText(value);
      case "function":
      case "symbol":
        throw refusal(path, `is a ${typeof value}, which cannot travel`);
      case "object":
        return value === null ? null : this.#lowerObject(value, path);
      default:
        return value;
    }
  }

  #lowerObject(value: object, path: string): unknown {
    if (value instanceof Uint8Array) return value;
    if (value instanceof Date) return new Instant(value.getTime());
    if (value instanceof ArrayBuffer) return new TypedArray(value);
    if (value instanceof DataView || value instanceof Promise) {
      throw refusal(
        path,
        value instanceof Promise
          ? "is a promise: await it first"
          : "is a DataView: send a Uint8Array",
      );
    }
    if (ArrayBuffer.isView(value)) return new TypedArray(value as never);
    if (this.#ancestors.includes(value)) {
      throw refusal(path, "contains itself");
    }
    if (this.#ancestors.length === this.#maxDepth) {
      throw refusal(path, `is nested deeper than ${this.#maxDepth}`);
    }
    this.#ancestors.push(value);
    const lowered = this.#lowerContainer(value, path);
    this.#ancestors.pop();
    return lowered;
  }

  #lowerContainer(value: object, path: string): unknown {
    if (Array.isArray(value)) {
      return Array.from(value, (item, at) =>
        this.lower(item, pathTo(path, String(at), true)),
      );
    }
    if (value instanceof Set) {
      return new SetItems(
        Array.from(value, (item) => this.lower(item, `${path}.values()`)),
      );
    }
    if (value instanceof Map) {
      const flat: unknown[] = [];
      for (const [key, item] of value) {
        flat.push(this.lower(key, `${path}.keys()`));
        flat.push(this.lower(item, `${path}.get(${String(key)})`));
      }
      return new MapEntries(flat);
    }
    const entries = Object.entries(value).map(
      ([key, item]) =>
        [key, this.lower(item, pathTo(path, key, false))] as const,
    );
    return entries.some(([key]) => isAwkwardKey(key))
      ? new ObjectEntries(
          entries.flatMap(([key, item]) => [this.lower(key, path), item]),
        )
      : Object.fromEntries(entries);
  }
}

/** `__proto__` is renamed by msgpackr; lone surrogates do not survive UTF-8. */
function isAwkwardKey(key: string): boolean {
  return key === "__proto__" || !key.isWellFormed();
}

function refusal(path: string, reason: string): RpcError {
  return new RpcError("invalid_argument", `${path} ${reason}`);
}
