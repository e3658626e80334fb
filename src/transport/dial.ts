import { type Clock, systemClock } from "../base/clock.ts";
import { outside } from "../base/outside.ts";
import { RpcError } from "../errors.ts";
import { type Address, formatAddress } from "./address.ts";
import { connectThrough } from "./http-connect.ts";
import type { Pipe } from "./pipe.ts";
import { keepAliveMs, SocketPipe, socketEvents } from "./socket.ts";

export interface DialOptions {
  /** For everything up to an open pipe: 0 is none. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  clock?: Clock;
}

/**
 * Opens a pipe to `address`. For `http@` the pipe has gone through CONNECT.
 * A connection that comes up after the timeout or the abort is ended. The
 * pipe's events come outside of the asynchronous context that dialled.
 *
 * @throws RpcError unavailable  refused, unreachable, timed out, or the answer to CONNECT was no 200; sent is false
 * @throws RpcError cancelled    `signal` was aborted; where its reason is an RpcError, that one
 */
export function dialPipe(
  address: Address,
  options: DialOptions,
): Promise<Pipe> {
  return outside(() => openPipe(address, options));
}

function openPipe(
  address: Address,
  { timeoutMs, signal, clock = systemClock }: DialOptions,
): Promise<Pipe> {
  const text = formatAddress(address);
  const { promise, resolve, reject } = Promise.withResolvers<Pipe>();
  let pipe: Pipe | undefined;
  let isOver = false;
  const finish = (settle: () => void) => {
    if (isOver) return;
    isOver = true;
    timer?.cancel();
    signal?.removeEventListener("abort", onAbort);
    settle();
  };
  const fail = (error: RpcError) =>
    finish(() => {
      pipe?.abort();
      reject(error);
    });
  const onAbort = () => fail(abortedError(text, signal as AbortSignal));
  const timer =
    timeoutMs > 0
      ? clock.after(timeoutMs, () =>
          fail(cannotConnect(text, `no connection within ${timeoutMs} ms`)),
        )
      : undefined;
  if (signal?.aborted) {
    onAbort();
    return promise;
  }
  signal?.addEventListener("abort", onAbort);
  connectSocket(address, text, (opened) => {
    pipe = opened;
    if (isOver) opened.abort();
    else if (address.protocol !== "http" && address.protocol !== "gorpc+http") {
      finish(() => resolve(opened));
    } else {
      const { protocol, host, port } = address;
      connectThrough(opened, host, port, protocol === "gorpc+http").then(
        () => finish(() => resolve(opened)),
        (thrown) => fail(RpcError.from(thrown)),
      );
    }
  }).catch((thrown) => fail(cannotConnect(text, reasonOf(thrown), thrown)));
  return promise;
}

async function connectSocket(
  address: Address,
  peer: string,
  onOpen: (pipe: Pipe) => void,
): Promise<void> {
  const socket = {
    ...socketEvents,
    open(socket: Bun.Socket<SocketPipe>) {
      if (address.protocol !== "unix") socket.setKeepAlive(true, keepAliveMs);
      socket.data = new SocketPipe(socket, peer);
      onOpen(socket.data);
    },
  };
  if (address.protocol === "unix") {
    await Bun.connect<SocketPipe>({
      unix: address.path,
      allowHalfOpen: true,
      socket,
    });
  } else {
    await Bun.connect<SocketPipe>({
      hostname: address.host === "" ? "127.0.0.1" : address.host,
      port: address.port,
      allowHalfOpen: true,
      socket,
    });
  }
}

function cannotConnect(
  address: string,
  reason: string,
  cause?: unknown,
): RpcError {
  return new RpcError(
    "unavailable",
    `cannot connect to ${address}: ${reason}`,
    { sent: false, cause },
  );
}

function abortedError(address: string, signal: AbortSignal): RpcError {
  const error = RpcError.fromAbort(signal);
  if (error === signal.reason) return error;
  return new RpcError(
    error.code,
    `cannot connect to ${address}: ${error.message}`,
    {
      sent: false,
      cause: signal.reason,
    },
  );
}

function reasonOf(thrown: unknown): string {
  const { code, message } = thrown as { code?: string; message?: string };
  switch (code) {
    case "ECONNREFUSED":
      return "connection refused: nothing listens there";
    case "ENOENT":
      return "there is no such socket file";
    case "ENOTFOUND":
      return "there is no such host";
    default:
      return message ?? String(thrown);
  }
}
