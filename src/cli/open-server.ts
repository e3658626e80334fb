import { Server, type ServerOptions } from "../server/server.ts";
import { defaultKeepAlive } from "../session/keepalive.ts";
import { Foo } from "./demo-service.ts";
import { type LeftOut, loadServices } from "./load-services.ts";
import type { Log } from "./log.ts";
import type { ServerValues } from "./server.ts";

/** A server as the flags of `geerpc server` want it. */
export function openServer(
  values: ServerValues,
  options: Pick<ServerOptions, "isReady" | "debugReport" | "onEvent" | "clock">,
): Server {
  return new Server({
    ...options,
    handleTimeoutMs: values.handleTimeout,
    limits: {
      maxMessageBytes: values.maxMessage,
      maxConnections: values.maxConnections,
      maxRunningHandlers: values.maxRunning,
      handshakeTimeoutMs: values.handshakeTimeout,
    },
    keepAlive: {
      idleMs: values.keepalive,
      busyMs: Math.min(values.keepalive, defaultKeepAlive.busyMs),
    },
    compression: values.compress,
    adaptiveLimit: values.adaptiveLimit,
  });
}

/**
 * Registers what the files export, without one the demo service, and logs what
 * is served and what is not.
 *
 * @param listening where the server listens, once it does
 * @throws RpcError failed_precondition  as loadServices()
 */
export async function register(
  files: readonly string[],
  server: Server,
  listening: () => string,
  log: Log | undefined,
): Promise<void> {
  const leftOut = files.length === 0 ? [] : await loadServices(files, server);
  if (files.length === 0) server.register(new Foo(listening), "Foo");
  if (log === undefined) return;
  logLeftOut(leftOut, log);
  logServices(server, log);
}

function logServices(server: Server, log: Log): void {
  for (const [service, methods] of server.methods) {
    const names = methods.map(({ serviceMethod }) =>
      serviceMethod.slice(service.length + 1),
    );
    log.write({
      level: "info",
      message: `serves ${service}: ${names.join(", ")}`,
      fields: { event: "service", service, methods: names },
    });
  }
}

function logLeftOut(leftOut: readonly LeftOut[], log: Log): void {
  for (const { file, name, reason, isPromised } of leftOut) {
    log.write({
      level: isPromised ? "warn" : "info",
      message: `does not serve ${name} of ${file}: it ${reason}`,
      fields: { event: "left-out", file, name, reason },
    });
  }
}
