import { Registry } from "../registry/registry.ts";
import { SqliteStore } from "../registry/sqlite-store.ts";
import { defineSubcommand } from "./command.ts";
import { startFailedLine } from "./event-line.ts";
import { exitCode } from "./exit-code.ts";
import { flag } from "./flags.ts";
import { toJsonLine } from "./json.ts";
import { duration, folder, httpAddress } from "./kinds.ts";
import { logFlags, openLog } from "./log.ts";
import { Signals } from "./signals.ts";
import { tokenFile } from "./token-file.ts";

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

  geerpc registry --listen 0.0.0.0:9999 --data /var/lib/geerpc
  curl -i http://127.0.0.1:9999/_geerpc_/registry`,

  async run({ values }, io) {
    using signals = new Signals(io);
    const log = openLog(io, values);
    const { onEvent } = log;
    await using cleanup = new AsyncDisposableStack();
    let listening: string;
    try {
      const store =
        values.data === undefined
          ? undefined
          : new SqliteStore(values.data, { onEvent });
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
