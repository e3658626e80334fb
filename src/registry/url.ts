import { RpcError } from "../errors.ts";
import { registryPath } from "./headers.ts";

/** Whether `text` is meant as a registry's URL rather than a server's address. */
export function isRegistryUrl(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/**
 * Reads one or several registry URLs, in an array or separated by commas, in
 * the order in which they are asked. A URL without a path gets the registry's,
 * so that `http://127.0.0.1:9999` is enough.
 *
 * @throws RpcError invalid_argument  none at all, one that is no http(s) URL,
 *   or one with a password in it, which would end up in logs
 */
export function parseRegistryUrls(
  target: string | readonly string[],
): readonly string[] {
  const texts = splitTargets(target);
  if (texts.length === 0) {
    throw new RpcError(
      "invalid_argument",
      `a registry's URL is needed, as in http://127.0.0.1:9999${registryPath}`,
    );
  }
  return [...new Set(texts.map(parseRegistryUrl))];
}

/** The items of a comma-separated list, or of several, without blanks and empty ones. */
export function splitTargets(
  target: string | readonly string[],
): readonly string[] {
  const lists = typeof target === "string" ? [target] : target;
  return lists
    .flatMap((list) => list.split(","))
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

function parseRegistryUrl(text: string): string {
  if (!isRegistryUrl(text) || !URL.canParse(text)) {
    throw new RpcError(
      "invalid_argument",
      `"${text}" is not a registry's URL: write http://host:port${registryPath}`,
    );
  }
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw new RpcError(
      "invalid_argument",
      "a registry's URL must not hold a user or password: they would end up in logs",
    );
  }
  if (url.pathname === "/") url.pathname = registryPath;
  url.hash = "";
  return url.href;
}
