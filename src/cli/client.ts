import type { Discovery } from "../discovery/discovery.ts";
import { openDiscovery } from "../discovery/open.ts";
import { RpcError } from "../errors.ts";
import type { OnEvent } from "../events.ts";
import { splitServiceMethod } from "../service/service-method.ts";
import type { Metadata } from "../wire/metadata.ts";
import type { XCallOptions } from "../xclient/call-options.ts";
import { XClient } from "../xclient/xclient.ts";
import { readArgument, streamArgument } from "./argument.ts";
import {
  callOptionsOf,
  type ClientFlags,
  clientOptionsOf,
  flags,
  type Reach,
  reachOf,
  targetsOf,
} from "./client-flags.ts";
import { defineSubcommand } from "./command.ts";
import { escapeText } from "./escape.ts";
import { callExitCode, exitCode, signalExitCode } from "./exit-code.ts";
import { failureLine } from "./failure-line.ts";
import { withGoLists } from "./go-list.ts";
import type { Io } from "./io.ts";
import { toJsonLine } from "./json.ts";
import { openLog } from "./log.ts";
import { printBroadcast, printReply, printServerError } from "./reply-lines.ts";
import { describedServers } from "./server-list.ts";
import { mergeLists, serverRows } from "./service-list.ts";
import { Signals } from "./signals.ts";
import { StdinItems } from "./stdin-items.ts";
import { UsageError } from "./usage-error.ts";

/** What is to be called. */
interface Task {
  reach: Reach;
  serviceMethod: string;
  args: unknown;
}

/** A call's options, as those who make one have them here. */
type Options = XCallOptions & { signal: AbortSignal };

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

--server is one address or several, or what tells them: dns://host:port (each
address of the host), dns://name (its SRV records, _geerpc._tcp.name), file:path
(an address a line, or JSON as of a registry), or the etcd of registries,
etcd://host:2379,host:2379/prefix. --keep-in is a file of one client.

Modes: random; round-robin; weighted, by the weights and the load that servers tell;
least-loaded, the less busy of two; consistent-hash, by --key; zone, those of --zone
first. A call that was not sent, or refused as not started, goes to another server
by itself; one that may have run only if it is idempotent, three times in all.

Without --codec it is binary, gob to servers of the original, and what the address
says: gorpc@ and jsonrpc@ are servers of Go's net/rpc. --list reads the page of Go's
servers at http@ and gorpc+http@; others have no list. It prints {"services","servers"},
of each server what it said of itself: services, version, weight, zone, load, labels.

A reply that is a stream is a line per item, each as it comes. --timeout is for a
stream as a whole; where it is not given a stream has 5 s to begin and may then go
on for ever, and one that is sent with --items has no limit. Ctrl-C, and a reader
that leaves (| head -1), cancel it at the server.

A call that fails prints {"code","message","sent","attempts"} on stderr, behind the
items that came: sent is false where it cannot have run, attempts are the servers
that it was tried with. --broadcast and --quorum print a line per server,
{"server","reply"} or {"server","error"}, and of streams a line per item,
{"server","item"}. --fork and --quorum cancel what is left. --show-metadata prints
{"metadata"}. --metadata may be given several times; its twin has one key=value a line.

Exit codes: 0 done, 1 the call failed (of a broadcast: any), 2 wrong usage,
3 no connection was made, 4 deadline exceeded, 130 interrupted.

  geerpc client Arith.sum '{"a":1,"b":2}' --server tcp@127.0.0.1:7000
  seq 3 | geerpc client Foo.Total --items --server tcp@127.0.0.1:7000
  geerpc client --list --registry http://10.0.0.1:9999,http://10.0.0.2:9999
  geerpc client Users.get 7 --mode consistent-hash --key 7 --server dns://users:7000`,

  async run(parsed, io) {
    const targets = targetsOf(parsed);
    const reach = reachOf(parsed);
    const { registryTokenFile: token, keepIn } = parsed.values;
    using signals = new Signals(io);
    const work = async () => {
      const task = await taskOf(parsed, reach, io);
      const onEvent = warningsOf(io, keepIn);
      const discovery = openDiscovery(targets, {
        onEvent,
        ...(token !== undefined && { token }),
        ...(keepIn !== undefined && { keepIn }),
      });
      const client = new XClient(discovery, {
        ...clientOptionsOf(parsed),
        onEvent,
      });
      try {
        const options = optionsOf(parsed, signals.abort, io);
        if (reach === "list") {
          return await printList(client, discovery, parsed, options, io);
        }
        return await perform(client, task, parsed, options, io);
      } catch (thrown) {
        if (signals.abort.aborted) return signalExitCode(await signals.first);
        if (task.args instanceof StdinItems && task.args.fault !== undefined) {
          throw task.args.fault;
        }
        const error = RpcError.from(thrown);
        io.stderr.write(failureLine(error));
        return callExitCode(error);
      } finally {
        await closeSoon(client);
      }
    };
    // Awaited here: `signals` listens until this block ends.
    return await Promise.race([work(), signals.first.then(signalExitCode)]);
  },
});

function optionsOf(
  parsed: ClientFlags,
  signal: AbortSignal,
  { stderr }: Io,
): Options {
  return {
    ...callOptionsOf(parsed),
    signal,
    ...(parsed.values.showMetadata && {
      onMetadata: (metadata: Metadata) =>
        stderr.write(`${toJsonLine({ metadata })}\n`),
    }),
  };
}

async function taskOf(
  { values, rest }: ClientFlags,
  reach: Reach,
  io: Io,
): Promise<Task> {
  const [serviceMethod, json] = rest;
  if (reach === "list") {
    if (serviceMethod === undefined) {
      return { reach, serviceMethod: "_geerpc.list", args: undefined };
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
  const args = values.items
    ? streamArgument(json, io)
    : await readArgument(json, io);
  return { reach, serviceMethod, args };
}

/** Calls, prints what comes back, and gives the exit code. */
async function perform(
  client: XClient,
  { reach, serviceMethod, args }: Task,
  { values }: ClientFlags,
  options: Options,
  { stdout }: Io,
): Promise<number> {
  if (reach === "broadcast") {
    const settled = await client.broadcastSettled(serviceMethod, args, options);
    const isFine = await printBroadcast(settled, stdout, options.signal);
    return isFine ? exitCode.done : exitCode.failed;
  }
  if (reach === "quorum") {
    const count = values.quorum ?? 1;
    const replies = await client.quorum(count, serviceMethod, args, options);
    const outcomes = new Map(
      [...replies].map(([server, reply]) => [server, { reply }]),
    );
    const isFine = await printBroadcast(outcomes, stdout, options.signal);
    return isFine ? exitCode.done : exitCode.failed;
  }
  const reply =
    reach === "fork"
      ? await client.fork(serviceMethod, args, options)
      : await client.call(serviceMethod, args, options);
  await printReply(reply, stdout);
  return exitCode.done;
}

/** What all servers have, together and each; those that did not answer are named on stderr. */
async function printList(
  client: XClient,
  discovery: Discovery,
  parsed: ClientFlags,
  options: Options,
  { stdout, stderr }: Io,
): Promise<number> {
  const method = "_geerpc.list";
  const answers = await client.broadcastSettled(method, undefined, options);
  const outcomes = await withGoLists(answers);
  const lists = mergeLists(outcomes);
  const { services, failures } = lists;
  const [first] = failures.values();
  if (first !== undefined && failures.size === outcomes.size) throw first;
  for (const [server, error] of failures) {
    printServerError(server, error, stderr);
  }
  const described = await describedServers(
    targetsOf(parsed),
    discovery,
    parsed.values.registryTokenFile,
  );
  const servers = serverRows(outcomes.keys(), lists, described);
  stdout.write(`${toJsonLine({ services, servers })}\n`);
  return exitCode.done;
}

/** What a call's outcome does not tell: the other events end in its reply or its error. */
function warningsOf(io: Io, keepIn: string | undefined): OnEvent {
  const log = openLog(io, { logLevel: "warn", log: "text" });
  return (event) => {
    const isOfFile =
      event.kind === "discovery-failed" && event.registry === keepIn;
    if (isOfFile || event.kind === "ambiguous-type") log.onEvent(event);
  };
}

async function closeSoon(client: XClient): Promise<void> {
  const { promise: isTime, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, closeTimeoutMs);
  await Promise.race([client.close(), isTime]);
  clearTimeout(timer);
}
