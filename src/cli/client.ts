import { selectModes } from "../balance/select-mode.ts";
import { openDiscovery } from "../discovery/open.ts";
import { RpcError } from "../errors.ts";
import type { OnEvent } from "../events.ts";
import type { CallOptions } from "../service/call-options.ts";
import { splitServiceMethod } from "../service/service-method.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { Settled } from "../xclient/broadcast.ts";
import { XClient } from "../xclient/xclient.ts";
import { checkCodec, codecType } from "./codec-kind.ts";
import { defineSubcommand } from "./command.ts";
import { escapeText } from "./escape.ts";
import { callExitCode, exitCode, signalExitCode } from "./exit-code.ts";
import { eitherOf, flag, type Parsed, toggle } from "./flags.ts";
import type { Io, Sink } from "./io.ts";
import { toJsonLine } from "./json.ts";
import {
  addresses,
  choice,
  duration,
  type Kind,
  registryUrls,
} from "./kinds.ts";
import { readArgument, streamArgument } from "./argument.ts";
import { withGoLists } from "./go-list.ts";
import { gobType } from "./gob-kind.ts";
import { openLog } from "./log.ts";
import { metadata } from "./metadata-kind.ts";
import { printBroadcast, printReply, printServerError } from "./reply-lines.ts";
import { mergeLists } from "./service-list.ts";
import { Signals } from "./signals.ts";
import { StdinItems } from "./stdin-items.ts";
import { ownTokenFile } from "./token-file.ts";
import { UsageError } from "./usage-error.ts";

/** One of the modes that there are when it is read: users can add to them. */
const selectMode: Kind<string> = {
  hint: "mode",
  parse: (text) => choice(selectModes()).parse(text),
};

const flags = {
  server: flag(addresses, "calls one of these servers"),
  registry: flag(registryUrls, "calls one of the servers listed there"),
  registryTokenFile: flag(ownTokenFile, "the registry's token to list them"),
  list: toggle("shows the services and methods that there are"),
  broadcast: toggle("calls every server that has the service"),
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
  mode: flag(
    selectMode,
    "how the server is chosen: random or round-robin",
    "random",
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

/** What is to be called. */
interface Task {
  serviceMethod: string;
  args: unknown;
  /** Every server is asked, and each answer printed. */
  isBroadcast: boolean;
  isList: boolean;
}

/** How long an orderly end of the connections may hold up the exit. */
const closeTimeoutMs = 500;

export const command = defineSubcommand({
  name: "client",
  description: "Calls a method and prints its reply",
  positionals: [
    { name: "Service.Method", description: "what is called" },
    {
      name: "json",
      description: "its argument; - reads it from stdin",
    },
  ],
  flags,
  notes: `The reply is one line of JSON on stdout. What JSON has no form for: a bigint is a
number with all its digits, bytes are base64, a Date is ISO 8601, a Map with
text keys is an object and another one an array of pairs, a Set is an array,
NaN and the infinities are strings, undefined is null.

Without --codec it is binary, gob to servers of the original, and what the address
says: gorpc@ and jsonrpc@ are servers of Go's net/rpc. --list reads the page of Go's
servers at http@ and gorpc+http@; others have no list.

A reply that is a stream is a line per item, each as it comes. --timeout is for a
stream as a whole; where it is not given a stream has 5 s to begin and may then go
on for ever, and one that is sent with --items has no limit. Ctrl-C, and a reader
that leaves (| head -1), cancel it at the server.

A call that fails prints {"code","message"} on stderr, behind the items that came.
--broadcast prints a line per server, {"server","reply"} or {"server","error"}, and
of streams a line per item, {"server","item"}. --show-metadata prints {"metadata"}.
--metadata may be given several times; its twin has one key=value a line.

Exit codes: 0 done, 1 the call failed (of a broadcast: any), 2 wrong usage,
3 no connection was made, 4 deadline exceeded, 130 interrupted.

  geerpc client Arith.sum '{"a":1,"b":2}' --server tcp@127.0.0.1:7000
  seq 3 | geerpc client Foo.Total --items --server tcp@127.0.0.1:7000
  geerpc client --list --registry http://10.0.0.1:9999`,

  async run(parsed, io) {
    const targets = targetsOf(parsed);
    const { values } = parsed;
    using signals = new Signals(io);
    const work = async () => {
      const task = await taskOf(parsed, io);
      const { registryTokenFile: token } = values;
      const discovery = openDiscovery(targets, token ? { token } : {});
      const client = new XClient(discovery, {
        mode: values.mode,
        ...(values.codec === undefined ? {} : { codec: values.codec }),
        connectTimeoutMs: values.connectTimeout,
        compression: values.compress,
        onEvent: warningsOf(io),
      });
      try {
        const options = optionsOf(parsed, signals.abort, io);
        return await perform(client, task, io, options);
      } catch (thrown) {
        if (signals.abort.aborted) return signalExitCode(await signals.first);
        if (task.args instanceof StdinItems && task.args.fault !== undefined) {
          throw task.args.fault;
        }
        return printFailure(thrown, io.stderr);
      } finally {
        await closeSoon(client);
      }
    };
    // Awaited here: `signals` listens until this block ends.
    return await Promise.race([work(), signals.first.then(signalExitCode)]);
  },
});

/**
 * The servers' addresses or the registries' URLs, whichever is given.
 *
 * @throws UsageError both from the same source, or neither; a server that does not speak --codec
 */
function targetsOf(parsed: Parsed<typeof flags>): readonly string[] {
  const { server, registry } = parsed.values;
  const either = eitherOf(parsed, "server", "registry");
  if (either === "server") checkCodec(server ?? [], parsed.values.codec);
  const targets = either === "server" ? server : registry;
  if (targets !== undefined) return targets;
  throw new UsageError(
    "nothing to connect to: write --server tcp@host:port or --registry http://host:port",
  );
}

/** The time that is not given is the library's, which tells streams from lone replies. */
function optionsOf(
  { values, sources }: Parsed<typeof flags>,
  signal: AbortSignal,
  { stderr }: Io,
): CallOptions & { signal: AbortSignal } {
  return {
    signal,
    ...(sources.has("timeout") && { timeoutMs: values.timeout }),
    ...(values.gob && { gob: values.gob }),
    ...(values.metadata && { metadata: values.metadata }),
    ...(values.showMetadata && {
      onMetadata: (metadata: Metadata) =>
        stderr.write(`${toJsonLine({ metadata })}\n`),
    }),
  };
}

async function taskOf(
  { values, rest }: Parsed<typeof flags>,
  io: Io,
): Promise<Task> {
  const [serviceMethod, json] = rest;
  const { list: isList, broadcast: isBroadcast, items: isStream } = values;
  const ofOneCall = isStream ? "--items" : "--show-metadata";
  if ((isStream || values.showMetadata) && (isBroadcast || isList)) {
    throw new UsageError(
      `${ofOneCall} is for a call to one server: write it without --broadcast or --list`,
    );
  }
  if (isList) {
    if (serviceMethod === undefined) {
      const args = undefined;
      return { serviceMethod: "_geerpc.list", args, isBroadcast, isList };
    }
    throw new UsageError("--list calls no method: leave the method out");
  }
  if (serviceMethod === undefined) {
    throw new UsageError(
      "nothing to call: write Service.Method, or --list to see what there is",
    );
  }
  if (splitServiceMethod(serviceMethod) === undefined) {
    throw new UsageError(
      `"${escapeText(serviceMethod)}" is no method: write Service.Method, as in Arith.sum`,
    );
  }
  const args = isStream
    ? streamArgument(json, io)
    : await readArgument(json, io);
  return { serviceMethod, args, isBroadcast, isList };
}

/** Calls, prints what comes back, and gives the exit code. */
async function perform(
  client: XClient,
  { serviceMethod, args, isBroadcast, isList }: Task,
  { stdout, stderr }: Io,
  options: CallOptions & { signal: AbortSignal },
): Promise<number> {
  if (!isBroadcast && !isList) {
    await printReply(await client.call(serviceMethod, args, options), stdout);
    return exitCode.done;
  }
  const outcomes = await client.broadcastSettled(serviceMethod, args, options);
  if (!isBroadcast) {
    return printList(await withGoLists(outcomes), stdout, stderr);
  }
  const isFine = await printBroadcast(outcomes, stdout, options.signal);
  return isFine ? exitCode.done : exitCode.failed;
}

/** What all servers have, together; those that did not answer are named on stderr. */
function printList(
  outcomes: ReadonlyMap<string, Settled>,
  stdout: Sink,
  stderr: Sink,
): number {
  const { services, failures } = mergeLists(outcomes);
  const [first] = failures.values();
  if (first !== undefined && failures.size === outcomes.size) throw first;
  for (const [server, error] of failures) {
    printServerError(server, error, stderr);
  }
  stdout.write(`${toJsonLine({ services })}\n`);
  return exitCode.done;
}

function printFailure(thrown: unknown, stderr: Sink): number {
  const error = RpcError.from(thrown);
  const { sent } = error;
  stderr.write(`${toJsonLine({ ...error.toJSON(), sent })}\n`);
  return callExitCode(error);
}

/** What a call's outcome does not tell: the other events end in its reply or its error. */
function warningsOf(io: Io): OnEvent {
  const log = openLog(io, { logLevel: "warn", log: "text" });
  return (event) => {
    if (event.kind === "ambiguous-type") log.onEvent(event);
  };
}

async function closeSoon(client: XClient): Promise<void> {
  const { promise: isTime, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, closeTimeoutMs);
  await Promise.race([client.close(), isTime]);
  clearTimeout(timer);
}
