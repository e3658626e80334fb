import type { Pipe } from "../transport/pipe.ts";
import { Floor } from "./floor.ts";

/** The answering end of the floor: what it serves is `Foo.Sum`. */
export class FloorServer extends Floor {
  readonly #onClose: () => void;

  constructor(pipe: Pipe, onClose: () => void = () => {}) {
    super(pipe);
    this.#onClose = onClose;
  }

  protected onFrame(seq: number, body: unknown): void {
    const { Num1, Num2 } = body as { Num1: number; Num2: number };
    this.send(seq, Num1 + Num2);
  }

  close(): void {
    this.#onClose();
  }
}
