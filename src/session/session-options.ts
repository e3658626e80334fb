import type { Clock } from "../base/clock.ts";
import type { Codec } from "../codec/codec.ts";
import type { OnEvent } from "../events.ts";
import type { Interceptor } from "../service/interceptor.ts";
import type { Services } from "../service/services.ts";
import type { Limits } from "../wire/limits.ts";
import type { KeepAliveOptions } from "./keepalive.ts";
import type { Session } from "./session.ts";
import type { PeerWindows } from "./windows.ts";

export interface SessionOptions {
  role: "dial" | "accept";
  codec: Codec;
  services: Services;
  limits: Limits;
  clock: Clock;
  /** The longest that a handler may take, in ms; 0 is no limit. */
  handleTimeoutMs: number;
  /** What a call of this end's waits that does not say, in ms; 0 is for ever. */
  callTimeoutMs: number;
  keepAlive: KeepAliveOptions;
  /** Stand around the calls that are served, and those that are made to the peer by its handlers. */
  interceptors: readonly Interceptor[];
  /** What the Option said of the dialling end's windows; the accepting end's come with its settings. */
  peerWindows?: PeerWindows;
  /** What both ends have agreed on, for the accepting end's settings. */
  compression?: "zstd" | undefined;
  /** Whether what waits leaves at the end of the loop's turn: fewer and larger writes. */
  waitsForTurn?: boolean | undefined;
  onEvent: OnEvent;
  /** Told once, when the connection is gone. */
  onClose(session: Session): void;
}
