/** How many bytes of items a sender may still send, as the receiver has granted them. */
export class SendWindow {
  #leftBytes: number;

  constructor(bytes: number) {
    this.#leftBytes = bytes;
  }

  /** Whether an item may start: it may be longer than what is left. */
  get isOpen(): boolean {
    return this.#leftBytes > 0;
  }

  spend(bytes: number): void {
    this.#leftBytes -= bytes;
  }

  grant(bytes: number): void {
    this.#leftBytes += bytes;
  }
}

/**
 * What a receiver has let its peer send, and what of it has been consumed.
 *
 * Consumed bytes are granted anew once they are a quarter of the window: a
 * frame of credit for each item would cost as much as the items. Up to so much
 * is neither under way nor granted, so that a sender to whom the window is
 * what holds it up has three quarters of it, at the worst.
 */
export class ReceiveWindow {
  readonly #grantBytes: number;
  readonly #leastBytes: number;
  #leftBytes: number;
  #consumedBytes = 0;

  /** @param slackBytes how far below 0 it may be when an item comes that was allowed */
  constructor(bytes: number, slackBytes = 0) {
    this.#leftBytes = bytes;
    this.#leastBytes = -slackBytes;
    this.#grantBytes = bytes / 4;
  }

  /** Counts an item that came. False: the peer was not allowed to start it. */
  receive(bytes: number): boolean {
    const wasOpen = this.#leftBytes > this.#leastBytes;
    this.#leftBytes -= bytes;
    return wasOpen;
  }

  /** Counts an item that left for its reader; returns the bytes to grant now, often 0. */
  consume(bytes: number): number {
    this.#consumedBytes += bytes;
    if (this.#consumedBytes < this.#grantBytes) return 0;
    const granted = this.#consumedBytes;
    this.#consumedBytes = 0;
    this.#leftBytes += granted;
    return granted;
  }
}
