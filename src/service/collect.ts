import { RpcError } from "../errors.ts";
import type { Handler } from "./method.ts";

/** The hooks of a service's life; not callable from outside. */
const hookNames = ["constructor", "start"];

/**
 * The methods that a service exposes, by name: of an instance those that its
 * class declares, of a plain object its functions. Accessors are never run,
 * and names that begin with `_` and symbols are left out.
 *
 * @throws RpcError invalid_argument  a class instead of an instance, or nothing to expose
 */
export function collectHandlers(
  target: object,
  withInherited: boolean,
): Map<string, Handler> {
  if (typeof target === "function") {
    throw new RpcError(
      "invalid_argument",
      `${target.name} is a class: register an instance, new ${target.name}()`,
    );
  }
  const handlers = new Map<string, Handler>();
  for (const level of levelsOf(target, withInherited)) {
    const properties = Object.getOwnPropertyDescriptors(level);
    for (const [name, { value }] of Object.entries(properties)) {
      if (typeof value !== "function" || name.startsWith("_")) continue;
      if (hookNames.includes(name) || handlers.has(name)) continue;
      handlers.set(name, value as Handler);
    }
  }
  if (handlers.size > 0) return handlers;
  throw new RpcError(
    "invalid_argument",
    "this service exposes nothing: write methods, as in class Arith { sum(args) { … } }; fields, accessors and names that begin with _ do not count",
  );
}

/**
 * Functions in fields of an instance, by name: its type promises them to
 * callers, but they are not exposed, as a field may as well hold what was
 * injected.
 */
export function functionFields(target: object): string[] {
  if (levelsOf(target, false)[0] === target) return [];
  return Object.entries(Object.getOwnPropertyDescriptors(target))
    .filter(([name, { value }]) => {
      return typeof value === "function" && !name.startsWith("_");
    })
    .map(([name]) => name);
}

/** The objects to look at, nearest first. */
function levelsOf(target: object, withInherited: boolean): object[] {
  const nearest = Object.getPrototypeOf(target) as object | null;
  if (nearest === null || nearest === Object.prototype) return [target];
  const levels: object[] = [];
  let level: object | null = nearest;
  while (level !== null && level !== Object.prototype) {
    levels.push(level);
    level = withInherited ? Object.getPrototypeOf(level) : null;
  }
  return levels;
}
