import { isDnsTarget } from "../discovery/dns.ts";
import { isEtcdTarget } from "../discovery/etcd.ts";
import { isFileTarget } from "../discovery/file.ts";
import { openDiscovery } from "../discovery/open.ts";
import { RpcError } from "../errors.ts";
import {
  isRegistryUrl,
  parseRegistryUrls,
  splitTargets,
} from "../registry/url.ts";
import {
  formatAddress,
  formatHostPort,
  parseAddress,
  parseHostPort,
} from "../transport/address.ts";
import { UsageError } from "./usage-error.ts";

/** What a flag's text may be and what it becomes. */
export interface Kind<T> {
  /** Stands for the value in help texts: `--timeout=<duration>`. */
  readonly hint: string;
  /** A list: the flag may be given several times. */
  readonly isList?: boolean;
  /** What stands between a list's values where they are written at once; a comma if it is not said. */
  readonly separator?: string;
  /** @throws UsageError says what to write instead */
  parse(text: string): T;
}

export const text: Kind<string> = { hint: "text", parse: (text) => text };

/** A folder's path; it need not be there yet. */
export const folder: Kind<string> = { hint: "folder", parse: (text) => text };

/** A file's path; it need not be there yet. */
export const file: Kind<string> = { hint: "file", parse: (text) => text };

/** An address, in its canonical form. */
export const address: Kind<string> = {
  hint: "address",
  parse: (text) => usage(() => formatAddress(parseAddress(text))),
};

/** Several addresses, separated by commas. */
export const addresses: Kind<readonly string[]> = {
  hint: "address,…",
  isList: true,
  parse(text) {
    const items = splitTargets(text);
    if (items.length === 0) throw new UsageError("write tcp@host:port");
    return items.map((item) => address.parse(item));
  },
};

/** Several addresses, or the one place that tells them: a name in DNS, a file, or an etcd. */
export const servers: Kind<readonly string[]> = {
  hint: "address,…",
  isList: true,
  parse(text) {
    const items = splitTargets(text);
    if (items.some(isRegistryUrl)) {
      throw new UsageError("this is a registry: write it with --registry");
    }
    if (!tellsServers(items)) return addresses.parse(text);
    // It asks nobody yet.
    usage(() => openDiscovery(text)).close();
    return [text];
  },
};

/** Whether one of these is no server but tells who serves. */
export function tellsServers(targets: readonly string[]): boolean {
  return targets.some(
    (target) =>
      isDnsTarget(target) || isFileTarget(target) || isEtcdTarget(target),
  );
}

/** Where HTTP listens: `host:port`, or the address `http@host:port`. */
export const httpAddress: Kind<string> = {
  hint: "host:port",
  parse: (text) =>
    usage(() => {
      const rest = text.replace(/^http@/, "");
      if (rest.includes("@")) {
        throw new UsageError("a registry speaks HTTP: write host:port");
      }
      const { host, port } = parseHostPort(rest, text);
      return formatHostPort(host, port);
    }),
};

/** URLs of registries, separated by commas. */
export const registryUrls: Kind<readonly string[]> = {
  hint: "url,…",
  isList: true,
  parse: (text) => usage(() => parseRegistryUrls(text)),
};

/**
 * `key=value`, one a line where there are several, since a value may hold
 * commas.
 *
 * @throws UsageError  a line that is none, or a key given twice
 */
export function parseKeyValues(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split("\n").filter(Boolean)) {
    const equals = line.indexOf("=");
    if (equals < 0) throw new UsageError("write key=value");
    const key = line.slice(0, equals);
    if (found.has(key)) {
      throw new UsageError(`${key} is given twice: write it once`);
    }
    found.set(key, line.slice(equals + 1));
  }
  return found;
}

const msPerUnit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** A duration, in ms: `500ms`, `5s`, `2m`, `1h`; 0 needs no unit. */
export const duration: Kind<number> = {
  hint: "duration",
  parse(text) {
    if (text === "0") return 0;
    const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
    const ms = match
      ? Number(match[1]) * msPerUnit[match[2] as keyof typeof msPerUnit]
      : Infinity;
    if (ms <= Number.MAX_SAFE_INTEGER) return ms;
    throw new UsageError(
      /^\d+$/.test(text)
        ? `a duration needs its unit: ${text}ms or ${text}s`
        : "write a duration as in 500ms, 5s or 2m",
    );
  },
};

/** A duration that is not 0, where 0 would leave no time for anything. */
export const someDuration: Kind<number> = {
  hint: "duration",
  parse(text) {
    const ms = duration.parse(text);
    if (ms > 0) return ms;
    throw new UsageError("write a duration above 0, as in 500ms or 5s");
  },
};

const bytesPerUnit = {
  B: 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
} as const;

/** A number of bytes from 1: `64KiB`, `4MiB`. */
export const size: Kind<number> = {
  hint: "size",
  parse(text) {
    const match = /^(\d+)(B|KiB|MiB|GiB)$/.exec(text);
    const bytes = match
      ? Number(match[1]) * bytesPerUnit[match[2] as keyof typeof bytesPerUnit]
      : 0;
    if (bytes > 0 && bytes <= Number.MAX_SAFE_INTEGER) return bytes;
    throw new UsageError("write a size as in 64KiB or 4MiB");
  },
};

export function wholeNumber(
  from: number,
  to = Number.MAX_SAFE_INTEGER,
): Kind<number> {
  return {
    hint: "number",
    parse(text) {
      const value = /^\d+$/.test(text) ? Number(text) : NaN;
      if (value >= from && value <= to) return value;
      throw new UsageError(
        to === Number.MAX_SAFE_INTEGER
          ? `write a whole number from ${from}`
          : `write a whole number from ${from} to ${to}`,
      );
    },
  };
}

export function choice<const Choice extends string>(
  choices: readonly Choice[],
): Kind<Choice> {
  return {
    hint: choices.join("|"),
    parse(text) {
      const found = choices.find((choice) => choice === text);
      if (found !== undefined) return found;
      throw new UsageError(`write ${choices.join(" or ")}`);
    },
  };
}

/** Runs one of the library's parsers, whose messages say what to write. */
function usage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    throw new UsageError(RpcError.from(thrown).message);
  }
}
