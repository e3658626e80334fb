import type { Context } from "../../src/service/context.ts";
import { silentPeer } from "../../src/service/silent-peer.ts";

/** The context of a call without limits or metadata, but for `fields`. */
export function fakeContext(fields: Partial<Context> = {}): Context {
  return {
    signal: new AbortController().signal,
    deadlineAt: undefined,
    metadata: new Map(),
    responseMetadata: new Map(),
    peer: silentPeer("here"),
    ...fields,
  };
}
