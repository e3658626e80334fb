import { RpcError } from "../errors.ts";
import { checkNumber } from "../wire/limits.ts";

export interface AdaptiveLimitOptions {
  /** How many times as long as without a queue calls may take before others are refused. From 1; default 2. */
  tolerance: number;
  /** Calls of a method that always have a place. From 1; default 4. */
  minRunning: number;
}

/**
 * What a user asks for: true is the defaults, false and undefined are none.
 *
 * @throws RpcError invalid_argument  a number below 1
 */
export function resolveAdaptiveLimit(
  given: Partial<AdaptiveLimitOptions> | boolean | undefined,
): AdaptiveLimitOptions | undefined {
  if (given === undefined || given === false) return undefined;
  const { tolerance = 2, minRunning = 4 } = given === true ? {} : given;
  return {
    tolerance: fromOne("tolerance", tolerance),
    minRunning: fromOne("minRunning", minRunning),
  };
}

function fromOne(name: keyof AdaptiveLimitOptions, value: number): number {
  if (checkNumber(`adaptiveLimit.${name}`, value) >= 1) return value;
  throw new RpcError(
    "invalid_argument",
    `adaptiveLimit.${name} is ${value}: write a number from 1`,
  );
}
