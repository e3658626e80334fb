import { RpcError } from "../errors.ts";
import { connectPath, correctConnectPath } from "../transport/http-connect.ts";
import { debugResponse } from "./debug.ts";
import {
  errorResponse,
  HttpCalls,
  type HttpCallsOptions,
} from "./http-calls.ts";

export interface HttpSideOptions extends HttpCallsOptions {
  /** Whether `GET /readyz` answers 200. */
  isReady(): boolean;
  /** False while the server drains: new calls are refused as not started. */
  isAccepting(): boolean;
}

const callPrefix = "/rpc/";

/** What a server answers to HTTP, besides CONNECT. */
export class HttpSide {
  readonly #options: HttpSideOptions;
  readonly #calls: HttpCalls;

  constructor(options: HttpSideOptions) {
    this.#options = options;
    this.#calls = new HttpCalls(options);
  }

  async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith(callPrefix)) {
      if (request.method !== "POST") return notAllowed("POST");
      if (!this.#options.isAccepting())
        return errorResponse(
          new RpcError("unavailable", "the server is shutting down"),
        );
      const serviceMethod = decodePath(pathname.slice(callPrefix.length));
      return this.#calls.call(request, serviceMethod);
    }
    switch (pathname) {
      case connectPath:
      case correctConnectPath:
        return new Response("405 must CONNECT\n", {
          status: 405,
          headers: { Allow: "CONNECT" },
        });
      case "/debug/geerpc":
        return isRead(request)
          ? debugResponse(request, this.#options.services)
          : notAllowed("GET, HEAD");
      case "/healthz":
        return new Response("ok\n");
      case "/readyz":
        return this.#options.isReady()
          ? new Response("ok\n")
          : new Response("not ready\n", { status: 503 });
      default:
        return new Response("404 not found\n", { status: 404 });
    }
  }

  /** Resolves once no call by POST runs. */
  finish(): Promise<void> {
    return this.#calls.finish();
  }
}

function isRead({ method }: Request): boolean {
  return method === "GET" || method === "HEAD";
}

function notAllowed(allow: string): Response {
  return new Response(`405 use ${allow}\n`, {
    status: 405,
    headers: { Allow: allow },
  });
}

/** A path's text; what is no valid escape stays as it is and will not be found. */
function decodePath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
