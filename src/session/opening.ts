import type { Codec, Settings } from "../codec/codec.ts";
import { RpcError } from "../errors.ts";
import { defaultLimits, type Limits } from "../wire/limits.ts";
import { protocolVersion } from "../wire/option.ts";
import type { Flow } from "./flow.ts";
import type { KeepAlive } from "./keepalive.ts";
import type { Sender } from "./sender.ts";
import { ownWindows, type PeerWindows } from "./windows.ts";

export interface OpeningOptions {
  codec: Codec;
  sender: Sender;
  flow: Flow;
  keepAlive: KeepAlive | undefined;
  limits: Limits;
  /** What the Option said of the dialling end's windows. */
  peerWindows: PeerWindows;
  /** What both ends have agreed on, for the accepting end's settings. */
  compression: "zstd" | undefined;
}

/** How one connection begins: with the dialling end's Option and, where the codec has them, the accepting end's settings. */
export class Opening {
  readonly #options: OpeningOptions;
  readonly #accepted = Promise.withResolvers<void>();

  constructor(options: OpeningOptions) {
    this.#options = options;
    // Without a listener a refusal would be an unhandled rejection.
    this.#accepted.promise.catch(() => {});
    if (!options.codec.features.settings) this.#accepted.resolve();
  }

  /** Resolves when the peer has accepted the Option, rejects when it refuses or the connection is lost first. */
  get accepted(): Promise<void> {
    return this.#accepted.promise;
  }

  /** The dialling end says its Option. */
  dial(option: Uint8Array): void {
    this.#options.sender.bytes(option);
  }

  /** The accepting end says its settings. */
  accept(): void {
    const { codec, sender, peerWindows } = this.#options;
    if (codec.features.settings) sender.settings(this.#settings);
    this.#begin(peerWindows);
  }

  /** The accepting end's settings have come. @throws RpcError unimplemented  another version of the protocol */
  accepts(settings: Settings): void {
    const { protocol } = settings;
    if (protocol !== protocolVersion) {
      throw new RpcError(
        "unimplemented",
        `the peer speaks version ${protocol} of the protocol, this end ${protocolVersion}`,
      );
    }
    this.#begin(settings);
    this.#accepted.resolve();
  }

  /** The connection ends, perhaps before it was accepted. */
  end(reason: RpcError): void {
    this.#accepted.reject(reason);
  }

  /** Until now the time limit of the handshake has held. */
  #begin({ streamWindowBytes, connectionWindowBytes }: PeerWindows): void {
    const { flow, keepAlive } = this.#options;
    flow.open(
      streamWindowBytes ?? defaultLimits.streamWindowBytes,
      connectionWindowBytes ?? defaultLimits.connectionWindowBytes,
    );
    keepAlive?.start();
  }

  get #settings(): Settings {
    const { limits, compression } = this.#options;
    const { maxMessageBytes } = limits;
    return {
      protocol: protocolVersion,
      maxMessageBytes,
      ...ownWindows(limits),
      ...(compression && { compression }),
    };
  }
}
