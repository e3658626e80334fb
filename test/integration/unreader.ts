import { binaryCodecType, createCodec } from "../../src/codec/table.ts";
import { parseAddress } from "../../src/transport/address.ts";
import { dialPipe } from "../../src/transport/dial.ts";
import type { Pipe, PipeHandler } from "../../src/transport/pipe.ts";
import { encodeOption, magicNumber } from "../../src/wire/option.ts";
import { SendBuffer } from "../../src/wire/send-buffer.ts";
import { contextOf, headOf, takeAll } from "../codec/recorder.ts";

/** It would take all of a stream at once. */
const maxWindow = 2 ** 31;

const option = encodeOption({
  MagicNumber: magicNumber,
  CodecType: binaryCodecType,
  ConnectTimeout: 0,
  HandleTimeout: 0,
  StreamWindow: maxWindow,
  ConnectionWindow: maxWindow,
});

/** What a peer asks for. */
export interface Demand {
  serviceMethod: string;
  args: unknown;
  /** How many times, all at once. */
  count: number;
}

/** A peer that asks, and never reads a byte of the answers. */
export class Unreader implements PipeHandler {
  readonly closed: Promise<void>;
  readonly #pipe: Pipe;
  readonly #bytes: Uint8Array;
  #sentBytes = 0;
  #onClose!: () => void;

  private constructor(pipe: Pipe, bytes: Uint8Array) {
    this.#pipe = pipe;
    this.#bytes = bytes;
    this.closed = new Promise((resolve) => {
      this.#onClose = resolve;
    });
  }

  static async dial(
    address: string,
    { serviceMethod, args, count }: Demand,
  ): Promise<Unreader> {
    const codec = createCodec(binaryCodecType, contextOf("dial"));
    const out = new SendBuffer();
    out.writeBytes(option);
    for (let seq = 1; seq <= count; seq++) {
      codec.writeRequest(out, headOf({ seq, serviceMethod }), args);
    }
    const pipe = await dialPipe(parseAddress(address), { timeoutMs: 0 });
    const peer = new Unreader(pipe, takeAll(codec, out));
    pipe.pause();
    pipe.attach(peer);
    peer.drain();
    return peer;
  }

  /** Whether all that it has to ask has left, at least for its own kernel. */
  get hasSentAll(): boolean {
    return this.#sentBytes === this.#bytes.length;
  }

  abort(): void {
    this.#pipe.abort();
  }

  data(): void {}

  drain(): void {
    this.#sentBytes += this.#pipe.write(this.#bytes.subarray(this.#sentBytes));
  }

  end(): void {}

  close(): void {
    this.#onClose();
  }
}
