import { defaultLimits, type Limits } from "../wire/limits.ts";

/** Bytes of items that a peer takes before its first credit; by default as in wire/limits.ts. */
export interface PeerWindows {
  streamWindowBytes?: number | undefined;
  connectionWindowBytes?: number | undefined;
}

/** The windows to tell the peer of: those that are not the default. */
export function ownWindows(limits: Limits): {
  streamWindowBytes?: number;
  connectionWindowBytes?: number;
} {
  const { streamWindowBytes, connectionWindowBytes } = limits;
  return {
    ...(streamWindowBytes !== defaultLimits.streamWindowBytes && {
      streamWindowBytes,
    }),
    ...(connectionWindowBytes !== defaultLimits.connectionWindowBytes && {
      connectionWindowBytes,
    }),
  };
}
