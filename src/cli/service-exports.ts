import { basename, extname } from "node:path";
import { collectHandlers } from "../service/collect.ts";

export interface ServiceExport {
  name: string;
  /** Instantiates a class; may throw what its constructor throws. */
  make(): object;
}

export interface ServiceExports {
  services: ServiceExport[];
  /** What looks like a service and is none, with the reason. */
  leftOut: { name: string; reason: string }[];
}

type Found = { make: () => object } | { reason: string } | undefined;

/**
 * The services among a module's exports: classes that need no arguments and
 * plain objects of functions, under their export's name. The default export
 * may also be an instance; its name is its class's, else the file's.
 * Functions, constants, errors, names that begin with `_`, and whatever has
 * no methods to expose are no services. What is exported twice counts once.
 */
export function serviceExports(
  exports: Readonly<Record<string, unknown>>,
  file: string,
): ServiceExports {
  const { default: byDefault, ...named } = exports;
  const entries = Object.entries(named);
  if (byDefault !== undefined && !Object.values(named).includes(byDefault)) {
    entries.push([defaultName(byDefault, file), byDefault]);
  }
  const found: ServiceExports = { services: [], leftOut: [] };
  for (const [name, value] of entries) {
    if (name.startsWith("_")) continue;
    const service = serviceOf(value, value === byDefault);
    if (service === undefined) continue;
    if ("make" in service) found.services.push({ name, make: service.make });
    else found.leftOut.push({ name, reason: service.reason });
  }
  return found;
}

function defaultName(value: unknown, file: string): string {
  const named = typeof value === "function" ? value : value?.constructor;
  const name = (named as { name?: string } | undefined)?.name;
  return name && name !== "default" && name !== "Object"
    ? name
    : basename(file, extname(file));
}

function serviceOf(value: unknown, isDefault: boolean): Found {
  if (typeof value === "function") return ofClass(value);
  if (typeof value !== "object" || value === null) return undefined;
  if (value instanceof Error || !hasMethods(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  const isPlain = prototype === null || prototype === Object.prototype;
  if (isPlain || isDefault) return { make: () => value };
  return isNative(value.constructor)
    ? undefined
    : {
        reason:
          "is an instance: export its class, or make it the default export",
      };
}

function ofClass(value: Function): Found {
  const { prototype } = value as { prototype?: unknown };
  if (!isClass(value) || typeof prototype !== "object" || prototype === null) {
    return undefined;
  }
  if (prototype instanceof Error || !hasMethods(Object.create(prototype))) {
    return undefined;
  }
  if (value.length > 0) {
    return {
      reason:
        "takes arguments to construct: make an instance the default export",
    };
  }
  return { make: () => Reflect.construct(value, []) as object };
}

function isClass(value: Function): boolean {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

/** What the engine provides: a Map is no service. */
function isNative(value: Function): boolean {
  return /\[native code\]\s*\}$/.test(Function.prototype.toString.call(value));
}

/** Whether registering it would expose anything. */
function hasMethods(target: object): boolean {
  const { rpc } = (target.constructor ?? {}) as {
    rpc?: { inherited?: boolean };
  };
  try {
    return collectHandlers(target, rpc?.inherited ?? false).size > 0;
  } catch {
    return false;
  }
}
