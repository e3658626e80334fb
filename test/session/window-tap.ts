import { flags, kinds, minItemBytes } from "../../src/wire/frame.ts";
import { FrameReader } from "../../src/wire/frame-reader.ts";
import { readUint32 } from "../../src/wire/little-endian.ts";

/** Looks at what an end writes, for what that takes of the connection's window and what it grants. */
export class WindowTap {
  /** What items have taken of the window towards the other end. */
  spentBytes = 0;
  /** What credit for the connection has granted to the other end, and how often. */
  grantedBytes = 0;
  grants = 0;
  readonly #frames = new FrameReader();

  constructor(pipe: { write(bytes: Uint8Array): number }) {
    const write = pipe.write.bind(pipe);
    pipe.write = (bytes) => {
      const taken = write(bytes);
      this.#frames.push(new Uint8Array(bytes.subarray(0, taken)));
      while (this.#frames.next()) this.#count();
      return taken;
    };
  }

  #count(): void {
    const { kind, seq, flags: flag, bytes, start, end } = this.#frames;
    if (kind === kinds.item) {
      const isLater = (flag & flags.pieces) !== 0;
      const bodyBytes = isLater ? readUint32(bytes, start) : end - start;
      this.spentBytes += Math.max(minItemBytes, bodyBytes);
    } else if (kind === kinds.credit && seq === 0) {
      this.grantedBytes += readUint32(bytes, start);
      this.grants++;
    }
  }
}
