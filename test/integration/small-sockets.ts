import { dlopen, ptr } from "bun:ffi";
import type { Pipe } from "../../src/transport/pipe.ts";
import { SocketPipe, socketEvents } from "../../src/transport/socket.ts";

// SOL_SOCKET, SO_SNDBUF and SO_RCVBUF of Linux; elsewhere buffers stay as they are.
const socketLevel = 1;
const buffers = [
  { option: 7, bytes: 4 * 1024 },
  // With less a window is smaller than a segment of the loopback, and TCP waits 200 ms for each.
  { option: 8, bytes: 32 * 1024 },
] as const;

const libc =
  process.platform === "linux"
    ? dlopen("libc.so.6", {
        setsockopt: {
          args: ["int", "int", "int", "ptr", "u32"],
          returns: "int",
        },
      }).symbols
    : undefined;

/** Lets the kernel keep some KiB for a socket instead of some MiB. */
function shrink(socket: object): void {
  const { fd } = socket as { fd: number };
  for (const { option, bytes } of buffers) {
    const value = Int32Array.of(bytes);
    const failed = libc?.setsockopt(fd, socketLevel, option, ptr(value), 4);
    if (failed) throw new Error(`setsockopt failed for file ${fd}`);
  }
}

/** Both ends of a TCP connection whose sockets send 4 KiB at a time, or twice that, and receive some 32. */
export async function smallSockets(): Promise<[dialled: Pipe, accepted: Pipe]> {
  const accepted = Promise.withResolvers<Pipe>();
  const dialled = Promise.withResolvers<Pipe>();
  const opening = ({ resolve }: PromiseWithResolvers<Pipe>) => ({
    ...socketEvents,
    open(socket: Bun.Socket<SocketPipe>) {
      shrink(socket);
      socket.data = new SocketPipe(socket, "tcp@small");
      resolve(socket.data);
    },
  });
  const listener = Bun.listen<SocketPipe>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    socket: opening(accepted),
  });
  // Those that it accepts inherit it, with the first window that they tell of.
  shrink(listener);
  await Bun.connect<SocketPipe>({
    hostname: "127.0.0.1",
    port: listener.port,
    allowHalfOpen: true,
    socket: opening(dialled),
  });
  const pipes: [Pipe, Pipe] = [await dialled.promise, await accepted.promise];
  listener.stop();
  return pipes;
}
