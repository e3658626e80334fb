import type { RpcError } from "../errors.ts";
import { textAnswer } from "../http/answer.ts";
import { pathOf } from "../http/path.ts";
import { connectPath, correctConnectPath } from "../transport/http-connect.ts";
import type { DebugReport } from "./debug/report.ts";
import { HttpCalls, type HttpCallsOptions } from "./http-calls.ts";

export interface HttpSideOptions extends HttpCallsOptions {
  /** Whether `GET /readyz` answers 200. */
  isReady(): boolean;
  /** What the debug page shows. */
  report(): DebugReport | Promise<DebugReport>;
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

  async fetch(request: Request, remoteHost?: string): Promise<Response> {
    const response = await this.#route(request, remoteHost);
    // A client that keeps its connection would only find it closed later.
    if (!this.#options.isAccepting()) {
      response.headers.set("Connection", "close");
    }
    return response;
  }

  /** Resolves once no call by POST runs. */
  finish(): Promise<void> {
    return this.#calls.finish();
  }

  /** Ends every call by POST now, with `error`. */
  close(error: RpcError): void {
    this.#calls.close(error);
  }

  #route(
    request: Request,
    remoteHost: string | undefined,
  ): Response | Promise<Response> {
    const path = pathOf(request.url);
    if (path === undefined) return textAnswer("400 no such host", 400);
    if (path.startsWith(callPrefix)) {
      return request.method === "POST"
        ? this.#calls.call(
            request,
            decodePath(path.slice(callPrefix.length)),
            remoteHost,
          )
        : notAllowed("POST");
    }
    if (path === connectPath || path === correctConnectPath) {
      return textAnswer("405 must CONNECT", 405, { Allow: "CONNECT" });
    }
    const read = this.#readable(path);
    if (read === undefined) return textAnswer("404 not found", 404);
    return request.method === "GET" || request.method === "HEAD"
      ? read(request)
      : notAllowed("GET, HEAD");
  }

  /** What answers GET and HEAD at `path`. */
  #readable(
    path: string,
  ): ((request: Request) => Response | Promise<Response>) | undefined {
    const { report, isReady } = this.#options;
    switch (path) {
      case "/debug/geerpc":
        return async (request) => {
          const { debugResponse } = await import("./debug/response.ts");
          return debugResponse(request, await report());
        };
      case "/healthz":
        return () => textAnswer("ok");
      case "/readyz":
        return () =>
          isReady() ? textAnswer("ok") : textAnswer("not ready", 503);
      default:
        return undefined;
    }
  }
}

function notAllowed(allow: string): Response {
  return textAnswer(`405 use ${allow}`, 405, { Allow: allow });
}

/** A path's text; what is no valid escape stays as it is and will not be found. */
function decodePath(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
