import { RpcError } from "../errors.ts";
import type { CallOptions } from "../service/call-options.ts";
import {
  type InterceptedCall,
  type Interceptor,
  intercept,
} from "../service/interceptor.ts";
import { checkMetadata, type Metadata } from "../wire/metadata.ts";

const noMetadata: Metadata = new Map();

/** Lets a call that is being made pass its interceptors, and then `call`. */
export async function interceptCall<Options extends CallOptions>(
  interceptors: readonly Interceptor[],
  serviceMethod: string,
  args: unknown,
  options: Options | undefined,
  call: (
    serviceMethod: string,
    args: unknown,
    options: Options,
  ) => Promise<unknown>,
): Promise<unknown> {
  const { timeoutMs, signal, onMetadata, metadata } = options ?? {};
  try {
    return await intercept(
      interceptors,
      {
        side: "client",
        serviceMethod,
        args,
        metadata: (metadata && checkMetadata(metadata)) ?? noMetadata,
        timeoutMs,
        signal,
        onMetadata,
      },
      (passed) =>
        call(passed.serviceMethod, passed.args, optionsOf(passed, options)),
    );
  } catch (thrown) {
    throw RpcError.from(thrown);
  }
}

/** The options of a call as an interceptor has passed it on. */
function optionsOf<Options extends CallOptions>(
  passed: InterceptedCall,
  options: Options | undefined,
): Options {
  const changed: CallOptions = { ...options, metadata: passed.metadata };
  if (passed.side === "client") {
    const { timeoutMs, signal, onMetadata } = passed;
    if (timeoutMs !== undefined) changed.timeoutMs = timeoutMs;
    if (signal !== undefined) changed.signal = signal;
    if (onMetadata !== undefined) changed.onMetadata = onMetadata;
  }
  return changed as Options;
}
