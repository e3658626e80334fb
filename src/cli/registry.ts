import { RpcError } from "../errors.ts";
import type { OnEvent } from "../events.ts";
import { type EtcdTarget, parseEtcdUrl } from "../registry/etcd-keys.ts";
import { EtcdStore } from "../registry/etcd-store.ts";
import { Registry } from "../registry/registry.ts";
import { SqliteStore } from "../registry/sqlite-store.ts";
import type { Store } from "../registry/store.ts";
import { defineSubcommand } from "./command.ts";
import { startFailedLine } from "./event-line.ts";
import { exitCode } from "./exit-code.ts";
import { eitherOf, flag } from "./flags.ts";
import { toJsonLine } from "./json.ts";
import { duration, folder, httpAddress, type Kind } from "./kinds.ts";
import { logFlags, openLog } from "./log.ts";
import { Signals } from "./signals.ts";
import { tokenFile } from "./token-file.ts";
import { UsageError } from "./usage-error.ts";

const etcdUrl: Kind<EtcdTarget> = {
  hint: "etcd://host:port,…/prefix",
  parse(text) {
    try {
      return parseEtcdUrl(text);
    } catch (thrown) {
      throw new UsageError(RpcError.from(thrown).message);
    }
  },
};

export const command = defineSubcommand({
  name: "registry",
  description: "Keeps the list of servers, and gives it to clients",
  flags: {
    listen: flag(httpAddress, "where it listens for HTTP", "127.0.0.1:9999"),
    ttl: flag(
      duration,
      "how long servers without a TTL of their own stay; 0 is for ever",
      "5m",
    ),
    data: flag(
      folder,
      "keeps the list there, so that it outlives the registry; without it in memory",
    ),
    store: flag(
      etcdUrl,
      "keeps the list in etcd, where any number of registries share it",
    ),
    readTokenFile: flag(
      tokenFile,
      "whoever lists the servers needs one of its tokens",
    ),
    writeTokenFile: flag(
      tokenFile,
      "whoever registers needs one of its tokens, and can take out only its own",
    ),
    ...logFlags,
  },
  notes: `Prints {"listening":"http://…"} when it accepts connections. SIGINT and SIGTERM
end it in order, a second one at once.

A file of tokens has one a line, each behind its owner's name where it has one:
"billing 3d1f…", as "openssl rand -hex 32" gives them. Servers and clients send
theirs by --registry-token-file. What has an owner is changed by its owner only.

A server's own TTL, 15 s of ours, comes with its heartbeats. After a start, a stall
or a failure of its store every server gets its whole TTL again, and when more than a
third of ten or more would go at once these get one more.

With --data the file is one registry's; without space new servers are refused with
503, and known ones stay. Registries on one etcd are one: give servers and clients
all of their URLs, and any of them may end. While etcd is away they list what they
know. Its default prefix is /geerpc.

  geerpc registry --listen 0.0.0.0:9999 --data /var/lib/geerpc
  geerpc registry --listen 0.0.0.0:9999 --store etcd://10.0.0.1:2379,10.0.0.2:2379/geerpc
  curl -i http://127.0.0.1:9999/_geerpc_/registry`,

  async run(parsed, io) {
    const { values } = parsed;
    const place = eitherOf(parsed, "data", "store");
    using signals = new Signals(io);
    const log = openLog(io, values);
    const { onEvent } = log;
    await using cleanup = new AsyncDisposableStack();
    let listening: string;
    try {
      const store = openStore(
        place === "data" ? values.data : undefined,
        place === "store" ? values.store : undefined,
        onEvent,
      );
      cleanup.defer(() => store?.close());
      const { readTokenFile: readTokens, writeTokenFile: writeTokens } = values;
      const registry = new Registry({
        ttlMs: values.ttl,
        onEvent,
        ...(readTokens && { readTokens }),
        ...(writeTokens && { writeTokens }),
        ...(store && { store }),
      });
      cleanup.use(registry);
      listening = await registry.listen(values.listen);
    } catch (thrown) {
      log.write(startFailedLine(thrown));
      return exitCode.failed;
    }
    io.stdout.write(`${toJsonLine({ listening })}\n`);
    const signal = await signals.first;
    log.write({
      level: "info",
      message: `${signal}: the registry ends`,
      fields: { event: "stopping", signal },
    });
    return exitCode.done;
  },
});

/** In a folder, in etcd, or, without either, the registry's own. */
function openStore(
  data: string | undefined,
  target: EtcdTarget | undefined,
  onEvent: OnEvent,
): Store | undefined {
  if (data !== undefined) return new SqliteStore(data, { onEvent });
  return target && new EtcdStore(target, { onEvent });
}
