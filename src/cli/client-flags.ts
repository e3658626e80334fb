import { selectModes } from "../balance/select-mode.ts";
import type { XCallOptions } from "../xclient/call-options.ts";
import type { XClientOptions } from "../xclient/xclient.ts";
import { checkCodec, codecType } from "./codec-kind.ts";
import { word } from "./description-kinds.ts";
import {
  eitherOf,
  flag,
  flagName,
  type Parsed,
  toggle,
  isWritten,
} from "./flags.ts";
import { gobType } from "./gob-kind.ts";
import {
  choice,
  duration,
  file,
  type Kind,
  registryUrls,
  servers,
  tellsServers,
  text,
  wholeNumber,
} from "./kinds.ts";
import { metadata } from "./metadata-kind.ts";
import { ownTokenFile } from "./token-file.ts";
import { UsageError } from "./usage-error.ts";

/** One of the modes that there are when it is read: users can add to them. */
const selectMode: Kind<string> = {
  hint: "mode",
  parse: (text) => choice(selectModes()).parse(text),
};

/** The flags of `geerpc client`. */
export const flags = {
  server: flag(
    servers,
    "calls one of these servers, or of those that dns://, file: or etcd:// tells",
  ),
  registry: flag(registryUrls, "calls one of the servers listed there"),
  registryTokenFile: flag(ownTokenFile, "the registry's token to list them"),
  keepIn: flag(
    file,
    "keeps the last list there, for a start while nobody can be asked",
  ),
  list: toggle("shows the servers, and what services and methods there are"),
  broadcast: toggle("calls every server that has the service"),
  fork: toggle("calls them all, and prints the reply that comes first"),
  quorum: flag(
    wholeNumber(1),
    "calls them all, and prints so many replies, those that come first",
  ),
  items: toggle(
    "the argument is a stream: each line of stdin is an item, as JSON",
  ),
  metadata: flag(
    metadata,
    "goes with the call; of a key that ends with -bin the value is base64",
  ),
  showMetadata: toggle("shows what comes with the reply, on stderr"),
  codec: flag(
    codecType,
    "binary, json, gob or a whole CodecType, where it is not to be found out",
  ),
  gob: flag(
    gobType,
    "the argument's Go type, where its value does not tell: 'Avg:float64'",
  ),
  mode: flag(selectMode, "how the server is chosen, see below", "random"),
  zone: flag(word("zone"), "where the call is made, for --mode zone"),
  key: flag(
    text,
    "calls of one key go to one server, with --mode consistent-hash",
  ),
  idempotent: toggle(
    "it may run more than once; by default what the service declares",
  ),
  hedge: flag(
    duration,
    "asks a second server where the first takes so long, if it is idempotent",
  ),
  timeout: flag(
    duration,
    "how long the call may take, a stream as a whole; 0 is for ever",
    "5s",
  ),
  connectTimeout: flag(
    duration,
    "how long connecting may take, within that",
    "10s",
  ),
  compress: toggle("has large bodies compressed, where the server does it"),
};

export type ClientFlags = Parsed<typeof flags>;

/** What a call reaches: one server, by default, or all that have its service. */
export type Reach = "one" | "list" | "broadcast" | "fork" | "quorum";

const toAll = ["list", "broadcast", "fork", "quorum"] as const;
const toOne = [
  ...(["items", "showMetadata", "mode", "zone", "key"] as const),
  ...(["idempotent", "hedge"] as const),
];

/**
 * Whom the call is for. A flag that would do nothing there is refused; from
 * the environment it is a default, which need not fit every call.
 *
 * @throws UsageError  two at once, or a flag that is for another one
 */
export function reachOf(parsed: ClientFlags): Reach {
  const { values } = parsed;
  const on = toAll.filter((reach) => values[reach]);
  const written = on.filter((reach) => isWritten(parsed, reach));
  const [reach = "one", second] = written.length > 0 ? written : on;
  if (second !== undefined) {
    throw new UsageError(
      `--${reach} and --${second} exclude each other: write one of them`,
    );
  }
  const vain = toOne.find(
    (key) => values[key] !== false && isWritten(parsed, key),
  );
  if (reach !== "one" && vain !== undefined) {
    throw new UsageError(
      `--${flagName(vain)} is for a call to one server: write it without --${reach}`,
    );
  }
  if (reach === "one") {
    checkItems(parsed);
    checkMode(parsed, "zone", "zone");
    checkMode(parsed, "key", "consistent-hash");
  }
  return reach;
}

/**
 * The servers' addresses, the registries' URLs or the place that tells the
 * servers, whichever is given.
 *
 * @throws UsageError both from the same source, or neither; a server that does not speak --codec
 */
export function targetsOf(parsed: ClientFlags): readonly string[] {
  const { server, registry, codec } = parsed.values;
  const either = eitherOf(parsed, "server", "registry");
  const targets = either === "server" ? server : registry;
  if (targets === undefined) {
    throw new UsageError(
      "nothing to connect to: write --server tcp@host:port or --registry http://host:port",
    );
  }
  if (either === "server" && !tellsServers(targets)) {
    checkCodec(targets, codec);
    if (isWritten(parsed, "keepIn")) {
      throw new UsageError(
        "--keep-in keeps a list that is asked for: write it with --registry, or a --server that begins with dns://, file: or etcd://",
      );
    }
  }
  return targets;
}

/** How the client is made. */
export function clientOptionsOf({ values }: ClientFlags): XClientOptions {
  return {
    mode: values.mode,
    connectTimeoutMs: values.connectTimeout,
    compression: values.compress,
    ...(values.codec !== undefined && { codec: values.codec }),
    ...(values.zone !== undefined && { zone: values.zone }),
  };
}

/** What the call is made with, besides its signal. The time that is not given is the library's, which tells streams from lone replies. */
export function callOptionsOf({ values, sources }: ClientFlags): XCallOptions {
  return {
    ...(sources.has("timeout") && { timeoutMs: values.timeout }),
    ...(values.gob && { gob: values.gob }),
    ...(values.metadata && { metadata: values.metadata }),
    ...(values.key !== undefined && { key: values.key }),
    ...(sources.has("idempotent") && { idempotent: values.idempotent }),
    // Of the one call that there is, all may be made twice.
    ...(values.hedge !== undefined && {
      hedge: { afterMs: values.hedge, maxFraction: 1 },
    }),
  };
}

/** @throws UsageError  a second attempt at what can be read once */
function checkItems(parsed: ClientFlags): void {
  const { values } = parsed;
  const vain = (["idempotent", "hedge"] as const).find(
    (key) => values[key] !== false && isWritten(parsed, key),
  );
  if (!values.items || !isWritten(parsed, "items") || vain === undefined) {
    return;
  }
  throw new UsageError(
    `--${vain} asks another server once more, and --items can be read once: write one of them`,
  );
}

/** @throws UsageError  a mode without the flag that it goes by, or that flag without its mode */
function checkMode(
  parsed: ClientFlags,
  key: "zone" | "key",
  mode: string,
): void {
  const { values } = parsed;
  const isMode = values.mode === mode;
  if (!isMode && isWritten(parsed, key)) {
    throw new UsageError(
      `--${key} is for --mode ${mode}, and this is --mode ${values.mode}: write both or neither`,
    );
  }
  if (isMode && values[key] === undefined && isWritten(parsed, "mode")) {
    throw new UsageError(
      `--mode ${mode} goes by --${key}: write both or neither`,
    );
  }
}
