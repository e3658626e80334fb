import type { CallOptions, NotifyOptions } from "../service/call-options.ts";
import type { Peer } from "../service/context.ts";
import { type Remote, remote } from "../service/remote.ts";
import { silentPeer } from "../service/silent-peer.ts";
import { Calls, type CallsOptions, type CallStarter } from "./calls.ts";
import type { SessionOptions } from "./session-options.ts";

/** The other end of a session, as its handlers see and call it. */
export class SessionPeer implements Peer {
  readonly address: string;
  readonly #session: CallStarter & { readonly isAvailable: boolean };
  readonly #options: CallsOptions;
  /** Made for the first call: most handlers make none. */
  #made: Calls | undefined;

  constructor(
    session: CallStarter & { readonly isAvailable: boolean },
    address: string,
    options: CallsOptions,
  ) {
    this.address = address;
    this.#session = session;
    this.#options = options;
  }

  get isAvailable(): boolean {
    return this.#session.isAvailable;
  }

  call<Reply = unknown>(
    serviceMethod: string,
    args?: unknown,
    options?: CallOptions,
  ): Promise<Reply> {
    return this.#calls.call(serviceMethod, args, options) as Promise<Reply>;
  }

  notify(
    serviceMethod: string,
    args?: unknown,
    options?: NotifyOptions,
  ): Promise<void> {
    return this.#calls.notify(serviceMethod, args, options);
  }

  get #calls(): Calls {
    this.#made ??= new Calls(this.#session, this.#options);
    return this.#made;
  }

  as<Services>(): Remote<Services> {
    return remote<Services>((serviceMethod, args, options) =>
      this.call(serviceMethod, args, options),
    );
  }
}

/**
 * Who calls over `session`, for handlers. Where a codec has nothing but calls
 * and answers, the dialling end would take a request for an answer.
 */
export function peerOf(
  session: CallStarter & { readonly isAvailable: boolean },
  address: string,
  options: SessionOptions,
): Peer {
  const { role, codec } = options;
  if (role === "accept" && codec.session === undefined) {
    return silentPeer(address);
  }
  return new SessionPeer(session, address, options);
}
