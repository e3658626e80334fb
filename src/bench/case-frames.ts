import type { Caller } from "./callers.ts";
import type { BenchCase } from "./cases.ts";
import {
  type FrameSizes,
  frameSizes,
  streamFrameSizes,
} from "./frame-sizes.ts";
import { type LimitFrames, mostAskedBytes } from "./limit-server.ts";

/** Begins a stream without an argument. */
export function openStream(
  caller: Caller,
  serviceMethod: string,
): Promise<AsyncIterable<unknown>> {
  return caller.call(serviceMethod, undefined, { timeoutMs: 0 }) as Promise<
    AsyncIterable<unknown>
  >;
}

/** The sizes of the case's frames. Calls it once, so a method that is not there shows before anything is measured. */
export async function caseFrameSizes(
  { calls, stream }: BenchCase,
  codec: string,
  caller: Caller,
): Promise<FrameSizes> {
  if (calls === undefined) {
    const { method, itemOf } = stream;
    const sizes = streamFrameSizes(codec, method, itemOf(0));
    for await (const _ of await openStream(caller, method)) break;
    return sizes;
  }
  const args = calls.argsOf(0);
  const reply = await caller.call(calls.method, args);
  return frameSizes(codec, calls.method, args, reply);
}

/** What goes over the raw sockets; undefined for calls that take turns with a reference alone. */
export function limitFrames(
  { calls, reference }: BenchCase,
  sizes: FrameSizes,
): LimitFrames | undefined {
  if (reference !== undefined) return undefined;
  if (calls !== undefined) return { ...sizes, responsesPerRequest: 1 };
  const responsesPerRequest = Math.floor(mostAskedBytes / 2 / sizes.response);
  return { ...sizes, responsesPerRequest: Math.max(1, responsesPerRequest) };
}
