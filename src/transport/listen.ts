import { unlinkSync } from "node:fs";
import { RpcError } from "../errors.ts";
import { type Address, formatAddress, formatHostPort } from "./address.ts";
import type { Pipe } from "./pipe.ts";
import { SocketPipe, socketEvents } from "./socket.ts";

export interface Listener {
  /** Where it accepts, with the port that it got: `tcp@127.0.0.1:41234`. */
  readonly address: string;
  /** Accepts no more; connections that are there stay. */
  close(): void;
}

/**
 * Accepts connections. `onPipe` runs for each; the pipe's events wait until it
 * is attached to. `http@` listens like `tcp@`: what a connection speaks shows
 * in its first bytes.
 *
 * @throws RpcError unavailable  the address is in use or not ours
 */
export async function listenPipes(
  address: Address,
  onPipe: (pipe: Pipe) => void,
): Promise<Listener> {
  if (address.protocol === "unix") return listenUnix(address.path, onPipe);
  const { protocol, host, port } = address;
  const hostname = host === "" ? "0.0.0.0" : host;
  try {
    const listener = Bun.listen<SocketPipe>({
      hostname,
      port,
      allowHalfOpen: true,
      socket: {
        ...socketEvents,
        open(socket) {
          const { remoteAddress, remotePort } = socket;
          const peer = `${protocol}@${formatHostPort(remoteAddress, remotePort)}`;
          socket.data = new SocketPipe(socket, peer);
          onPipe(socket.data);
        },
      },
    });
    return {
      address: formatAddress({ protocol, host: hostname, port: listener.port }),
      close: () => listener.stop(),
    };
  } catch (thrown) {
    throw cannotListen(formatAddress(address), thrown);
  }
}

async function listenUnix(
  path: string,
  onPipe: (pipe: Pipe) => void,
): Promise<Listener> {
  const address = `unix@${path}`;
  const listen = () =>
    Bun.listen<SocketPipe>({
      unix: path,
      allowHalfOpen: true,
      socket: {
        ...socketEvents,
        open(socket) {
          socket.data = new SocketPipe(socket, address);
          onPipe(socket.data);
        },
      },
    });
  let listener: ReturnType<typeof listen>;
  try {
    listener = listen();
  } catch (thrown) {
    if (codeOf(thrown) !== "EADDRINUSE" || (await isServed(path))) {
      throw cannotListen(address, thrown);
    }
    // Nobody answers: the file was left behind by a process that died.
    unlinkSync(path);
    listener = listen();
  }
  return { address, close: () => listener.stop() };
}

async function isServed(path: string): Promise<boolean> {
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } });
    socket.terminate();
    return true;
  } catch {
    return false;
  }
}

function cannotListen(address: string, cause: unknown): RpcError {
  const reason =
    codeOf(cause) === "EADDRINUSE"
      ? "the address is in use"
      : cause instanceof Error
        ? cause.message
        : String(cause);
  return new RpcError("unavailable", `cannot listen on ${address}: ${reason}`, {
    cause,
  });
}

function codeOf(thrown: unknown): unknown {
  return (thrown as { code?: unknown } | undefined)?.code;
}
