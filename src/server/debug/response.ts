import { prefersJson } from "../../http/accept.ts";
import { debugPage } from "./page.ts";
import type { DebugReport } from "./report.ts";

const headers = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  // A page and its JSON live under one address.
  Vary: "Accept",
};

/** The page, or its figures as JSON where the request prefers that. */
export function debugResponse(request: Request, report: DebugReport): Response {
  if (prefersJson(request.headers.get("accept"))) {
    return new Response(`${JSON.stringify(report)}\n`, {
      headers: { ...headers, "Content-Type": "application/json" },
    });
  }
  const nonce = crypto.randomUUID();
  return new Response(debugPage(report, nonce), {
    headers: {
      ...headers,
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": contentSecurityPolicy(nonce),
    },
  });
}

/** Nothing but the page's own style and script runs, wherever a name came from. */
function contentSecurityPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    `script-src 'nonce-${nonce}'`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
