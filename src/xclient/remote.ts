import type { CallOptions } from "../service/call-options.ts";
import type { Remote } from "../service/remote.ts";
import type { XCallOptions } from "./call-options.ts";

/** A method with the options that only calls of an XClient have. */
type WithOptions<Method> = Method extends (
  ...given: infer Given
) => infer Answer
  ? Given extends [args: infer Args, options?: CallOptions]
    ? (args: Args, options?: XCallOptions) => Answer
    : Given extends [args?: infer Args, options?: CallOptions]
      ? (args?: Args, options?: XCallOptions) => Answer
      : never
  : never;

/** Services by name, as callers with an XClient see them. */
export type XRemote<Services> = {
  readonly [Name in keyof Remote<Services>]: {
    [Method in keyof Remote<Services>[Name]]: WithOptions<
      Remote<Services>[Name][Method]
    >;
  };
};
