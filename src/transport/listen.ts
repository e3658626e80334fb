import { outside } from "../base/outside.ts";
import { RpcError } from "../errors.ts";
import { type Address, formatAddress, formatHostPort } from "./address.ts";
import type { Pipe } from "./pipe.ts";
import { keepAliveMs, SocketPipe, socketEvents } from "./socket.ts";

export interface Listener {
  /** Where it accepts, with the port that it got: `tcp@127.0.0.1:41234`. */
  readonly address: string;
  /** Accepts no more; connections that are there stay. */
  close(): void;
}

export interface ListenOptions {
  /**
   * Shares the port with every process of this user that listens on it so, and
   * the system spreads connections over them. Linux only: elsewhere one of
   * them gets all. Two servers started by mistake share it without a word.
   * Default false.
   */
  reusePort?: boolean;
}

/**
 * Accepts connections. `onPipe` runs for each; the pipe's events wait until it
 * is attached to. `http@` listens like `tcp@`: what a connection speaks shows
 * in its first bytes. All of it is outside of the asynchronous context that
 * this was called in.
 *
 * @throws RpcError unavailable       the address is in use or not ours
 * @throws RpcError invalid_argument  nothing can listen on it, or no two share it: a unix socket
 */
export function listenPipes(
  address: Address,
  onPipe: (pipe: Pipe) => void,
  options: ListenOptions = {},
): Promise<Listener> {
  return outside(() => listenOn(address, onPipe, options));
}

async function listenOn(
  address: Address,
  onPipe: (pipe: Pipe) => void,
  { reusePort = false }: ListenOptions,
): Promise<Listener> {
  if (address.protocol === "unix") {
    if (!reusePort) return listenUnix(address.path, onPipe);
    throw new RpcError(
      "invalid_argument",
      `processes cannot share ${formatAddress(address)}: write tcp@host:port, or give each a path of its own`,
    );
  }
  const { protocol, host, port } = address;
  if (protocol !== "tcp" && protocol !== "http") {
    throw new RpcError(
      "invalid_argument",
      `nothing listens on ${protocol}@: write tcp@${formatHostPort(host, port)}; what a connection speaks shows in its first bytes`,
    );
  }
  const hostname = host === "" ? "0.0.0.0" : host;
  try {
    // Bun knows it and its types do not.
    const sharing: object = reusePort ? { reusePort } : {};
    const listener = Bun.listen<SocketPipe>({
      ...sharing,
      hostname,
      port,
      allowHalfOpen: true,
      socket: {
        ...socketEvents,
        open(socket) {
          const { remoteAddress, remotePort } = socket;
          socket.setKeepAlive(true, keepAliveMs);
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
    if (codeOf(thrown) !== "EADDRINUSE" || !(await isStale(path))) {
      throw cannotListen(address, thrown);
    }
    try {
      process.getBuiltinModule("node:fs").unlinkSync(path);
      listener = listen();
    } catch (again) {
      throw cannotListen(address, again);
    }
  }
  return { address, close: () => listener.stop() };
}

/**
 * Whether a process that died left the file behind: a socket where a connection
 * is refused. Any other file, and whatever else fails, is its owner's.
 */
async function isStale(path: string): Promise<boolean> {
  const { lstatSync } = process.getBuiltinModule("node:fs");
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) return false;
  try {
    const socket = await Bun.connect({ unix: path, socket: { data() {} } });
    socket.terminate();
    return false;
  } catch (thrown) {
    // Bun says so, too, of a listener that is alive and has no room for one more.
    return codeOf(thrown) === "ECONNREFUSED" && !isListenedOn(path);
  }
}

/** Whether the system says that a socket listens under this very name; false where it does not tell. */
function isListenedOn(path: string): boolean {
  const { readFileSync } = process.getBuiltinModule("node:fs");
  let table: string;
  try {
    table = readFileSync("/proc/net/unix", "utf8");
  } catch {
    return false; // No such file outside Linux.
  }
  return table.split("\n").some((line) => {
    const [, flags = "", name] = unixSocketLine.exec(line) ?? [];
    return name === path && (parseInt(flags, 16) & listensFlag) !== 0;
  });
}

/** `number: references protocol flags type state inode path`. Source: proc_net_unix in proc(5). */
const unixSocketLine = /^\S+: \S+ \S+ (\S+) \S+ \S+ +\d+ (.+)$/;
/** __SO_ACCEPTCON. */
const listensFlag = 0x10000;

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
