import type { Socket, TCPSocketListener } from "bun";

const itemBytes = 64 * 1024;
const item = new Uint8Array(itemBytes).fill(7);

/** Bytes of the item under way that the kernel has not taken. */
interface Raw {
  restBytes: number;
}

/** Items of 64 KiB without end: as a stream, and on a raw socket, a write for each. */
export class Bulk {
  #listener: TCPSocketListener<Raw> | undefined;

  start(): void {
    this.#listener = Bun.listen<Raw>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open(socket) {
          socket.data = { restBytes: 0 };
          fill(socket);
        },
        drain: fill,
        data() {},
      },
    });
  }

  /** Where raw items are sent. */
  rawPort(): number {
    return this.#listener?.port ?? 0;
  }

  async *items(): AsyncGenerator<Uint8Array> {
    for (;;) yield item;
  }

  [Symbol.dispose](): void {
    this.#listener?.stop(true);
  }
}

/** Writes until the kernel takes no more. */
function fill(socket: Socket<Raw>): void {
  const { data } = socket;
  do {
    const bytes = data.restBytes || itemBytes;
    const written = socket.write(item.subarray(itemBytes - bytes));
    if (written < 0) return;
    data.restBytes = bytes - written;
  } while (data.restBytes === 0);
}
