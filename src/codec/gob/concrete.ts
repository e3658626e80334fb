import { RpcError } from "../../errors.ts";
import { GobNamed } from "./gob-named.ts";
import type { GobRegistry } from "./gob-registry.ts";
import type { GobType } from "./gob-type.ts";
import type { Inference } from "./inference.ts";
import { kindOf, Misfit } from "./misfit.ts";

/** What goes into an interface. */
export interface Concrete {
  readonly name: string;
  readonly type: GobType;
  readonly content: unknown;
}

/** Objects that came out of an interface, and how they were called there. */
const origins = new WeakMap<object, { name: string; type: GobType }>();

/** Remembers how an interface value was called, so that it can go back under its name. */
export function rememberOrigin(
  value: unknown,
  name: string,
  type: GobType,
): void {
  if (typeof value === "object" && value !== null) {
    origins.set(value, { name, type });
  }
}

/**
 * The name and type under which `value` goes into an interface: those of a
 * GobNamed, those under which this very object came, those of the registered
 * struct that it fits, else inferred and called as Go calls types without a
 * name. So a number goes as int or float64, whatever it came as.
 *
 * @throws Misfit  nothing gives it a name
 */
export function concreteOf(
  value: {},
  registry: GobRegistry,
  inference: Inference,
): Concrete {
  if (value instanceof GobNamed) {
    const type =
      value.type ??
      registry.typeOf(value.name) ??
      typeOf(value.value, inference);
    return { name: value.name, type, content: value.value };
  }
  const origin = typeof value === "object" ? origins.get(value) : undefined;
  if (origin !== undefined) return { ...origin, content: value };
  const type =
    (isPlain(value) ? registry.structOf(value) : undefined) ??
    typeOf(value, inference);
  const name = registry.nameOf(type);
  if (name === undefined) {
    throw new Misfit(
      `is ${kindOf(value)} for an interface: register its type's name`,
    );
  }
  return { name, type, content: value };
}

function typeOf(value: unknown, inference: Inference): GobType {
  try {
    return inference.typeOf(value);
  } catch (thrown) {
    const { code, message } = RpcError.from(thrown);
    throw new Misfit(`cannot be in an interface: ${message}`, code);
  }
}

function isPlain(value: {}): value is object {
  if (typeof value !== "object") return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
