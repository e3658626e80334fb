import { Registry } from "../registry/registry.ts";
import { defineSubcommand } from "./command.ts";
import { startFailedLine } from "./event-line.ts";
import { exitCode } from "./exit-code.ts";
import { flag } from "./flags.ts";
import { toJsonLine } from "./json.ts";
import { duration, httpAddress } from "./kinds.ts";
import { logFlags, openLog } from "./log.ts";
import { Signals } from "./signals.ts";

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
    ...logFlags,
  },
  notes: `Prints {"listening":"http://…"} when it accepts connections. SIGINT and SIGTERM
end it in order, a second one at once.

  geerpc registry --listen 0.0.0.0:9999
  curl -i http://127.0.0.1:9999/_geerpc_/registry`,

  async run({ values }, io) {
    using signals = new Signals(io);
    const log = openLog(io, values);
    await using registry = new Registry({
      ttlMs: values.ttl,
      onEvent: log.onEvent,
    });
    let listening: string;
    try {
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
