import { RpcError } from "../errors.ts";
import { formatHostPort } from "../transport/address.ts";

export type HttpServer = Bun.Server<undefined>;

/** Bun.serve, with its failures as this library's. */
export function serveHttp(
  hostname: string,
  port: number,
  maxRequestBodySize: number,
  fetch: (request: Request, server: HttpServer) => Promise<Response>,
): HttpServer {
  try {
    return Bun.serve({
      hostname,
      port,
      fetch,
      development: false,
      // Without it two registries share the port silently (Bun 1.4.5, whenever
      // development is false), and each gets half of the requests.
      reusePort: false,
      maxRequestBodySize,
    });
  } catch (cause) {
    const where = formatHostPort(hostname, port);
    const { code, message } = cause as { code?: string; message?: string };
    const reason =
      code === "EADDRINUSE" ? "another program listens there" : message;
    throw new RpcError("unavailable", `cannot listen on ${where}: ${reason}`, {
      sent: false,
      cause,
    });
  }
}
