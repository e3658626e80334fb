/** Answers change from one moment to the next, and are never anything to run. */
const commonHeaders = {
  "Cache-Control": "no-store",
  "X-Content-Type-Options": "nosniff",
};

/** An answer whose one line of text is for people. */
export function textAnswer(
  text: string,
  status = 200,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${text}\n`, {
    status,
    headers: {
      ...commonHeaders,
      "Content-Type": "text/plain; charset=utf-8",
      ...headers,
    },
  });
}

/** An answer whose body is JSON already. */
export function jsonAnswer(
  json: string,
  status = 200,
  headers: Record<string, string> = {},
): Response {
  return new Response(`${json}\n`, {
    status,
    headers: {
      ...commonHeaders,
      "Content-Type": "application/json",
      ...headers,
    },
  });
}

/** An answer without a body. */
export function emptyAnswer(
  status: number,
  headers: Record<string, string> = {},
): Response {
  return new Response(null, {
    status,
    headers: { ...commonHeaders, ...headers },
  });
}
