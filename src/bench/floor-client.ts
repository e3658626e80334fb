import { RpcError } from "../errors.ts";
import { Floor } from "./floor.ts";

interface Waiting {
  resolve(reply: unknown): void;
  reject(error: RpcError): void;
}

/** The calling end of the floor. */
export class FloorClient extends Floor {
  readonly #calls = new Map<number, Waiting>();
  #seq = 0;
  #isGone: RpcError | undefined;

  /** @throws RpcError unavailable  the connection is gone */
  call(args: unknown): Promise<unknown> {
    if (this.#isGone !== undefined) return Promise.reject(this.#isGone);
    return new Promise((resolve, reject) => {
      const seq = ++this.#seq;
      this.#calls.set(seq, { resolve, reject });
      this.send(seq, args);
    });
  }

  protected onFrame(seq: number, body: unknown): void {
    this.#calls.get(seq)?.resolve(body);
    this.#calls.delete(seq);
  }

  /** The pipe is gone. */
  close(error?: RpcError): void {
    this.#isGone =
      error ?? new RpcError("unavailable", "the floor's connection was closed");
    for (const { reject } of this.#calls.values()) reject(this.#isGone);
    this.#calls.clear();
  }
}
