import { RpcError } from "../errors.ts";
import { cutText, type LeaseExtension, type RpcEvent } from "../events.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;

export type LogLevel = (typeof logLevels)[number];

/** Field names may be a peer's, and as many as it likes. */
const maxDeclarationLength = 800;

/** What a log line says: to people by its message, to programs by its fields. */
export interface LogLine {
  level: LogLevel;
  message: string;
  /** Plain values; errors are code and message. `event` names the kind. */
  fields: Readonly<Record<string, unknown>>;
  /** For `--log-level debug` only. */
  stack?: string;
}

const extensionReasons: Readonly<Record<LeaseExtension, string>> = {
  stalled: "the registry stood still",
  "store-failed": "its store failed",
  many: "too many would have ended at once",
};

const ejectionReasons: Readonly<
  Record<Extract<RpcEvent, { kind: "server-ejected" }>["reason"], string>
> = {
  "failures-in-a-row": "its last calls failed",
  "failure-rate": "most of its calls failed",
  "probe-failed": "it has failed anew",
};

/** An event as a line. Nothing in it is escaped yet. */
export function eventLine(event: RpcEvent): LogLine {
  const { kind, ...rest } = event;
  const fields: Record<string, unknown> = { event: kind };
  for (const [name, value] of Object.entries(rest)) {
    fields[name] = value instanceof Error ? errorFields(value) : value;
  }
  const line = { level: levelOf(event), message: messageOf(event), fields };
  const stack =
    (event.kind === "handler-failed" || event.kind === "store-failed") &&
    event.error instanceof Error
      ? event.error.stack
      : undefined;
  return stack === undefined ? line : { ...line, stack };
}

/** Why a registry or a server does not start. */
export function startFailedLine(thrown: unknown): LogLine {
  const { code, message, cause } = RpcError.from(thrown);
  const line: LogLine = {
    level: "error",
    message,
    fields: { event: "start-failed", code },
  };
  return cause instanceof Error && cause.stack !== undefined
    ? { ...line, stack: cause.stack }
    : line;
}

/** A server is told to end, or ends for what it threw. */
export function stoppingLine(reason: string, drainMs: number): LogLine {
  return {
    level: "info",
    message: `${reason}: the server leaves, calls and streams may finish for ${drainMs / 1_000} s`,
    fields: { event: "stopping", signal: reason },
  };
}

/** What a service threw where nobody could catch it. */
export function faultLine(thrown: unknown): LogLine {
  const { code, message } = RpcError.from(thrown);
  const line: LogLine = {
    level: "error",
    message: `nobody caught: ${message}`,
    fields: { event: "uncaught", error: { code, message } },
  };
  return thrown instanceof Error && thrown.stack !== undefined
    ? { ...line, stack: thrown.stack }
    : line;
}

function levelOf({ kind }: RpcEvent): LogLevel {
  switch (kind) {
    case "listening":
    case "connected":
      return "debug";
    case "registered":
    case "deregistered":
    case "server-added":
    case "server-removed":
    case "disconnected":
    case "server-returned":
    case "list-restored":
      return "info";
    case "handler-failed":
    case "store-failed":
    case "store-damaged":
      return "error";
    default:
      return "warn";
  }
}

function messageOf(event: RpcEvent): string {
  switch (event.kind) {
    case "listening":
      return `listening on ${event.address}`;
    case "peer-refused":
      return `refused ${event.peer}: ${said(event.error)}`;
    case "connection-cut":
      return `cut the connection of ${event.peer}: ${said(event.error)}`;
    case "handler-timeout":
      return `${event.serviceMethod} took longer than ${event.timeoutMs} ms; its caller was answered`;
    case "handler-failed":
      return `${event.serviceMethod} threw: ${RpcError.from(event.error).message}`;
    case "ambiguous-type": {
      const { serviceMethod, path } = event;
      const place = path === "" ? "the value" : cutText(path);
      return `${serviceMethod}: ${place} was sent whole and as a fraction; declare it: ${declared(event)}`;
    }
    case "registered":
      return `registered ${event.address} at ${event.registry}`;
    case "heartbeat-missed":
      return `not registered at ${event.registry}, next attempt in ${Math.round(event.retryInMs)} ms: ${said(event.error)}`;
    case "deregistered":
      return `deregistered ${event.address} at ${event.registry}`;
    case "discovery-failed":
      return `no list from ${event.registry}: ${said(event.error)}`;
    case "list-restored":
      return `a list from ${event.registry} again, of ${event.servers} servers, after ${Math.round(event.afterMs / 1_000)} s`;
    case "server-added":
      return `${event.address} is here`;
    case "server-removed":
      return event.reason === "expired"
        ? `${event.address} is gone: its lease ran out`
        : `${event.address} has left`;
    case "connected":
      return `connected to ${event.address}`;
    case "disconnected":
      return `lost the connection to ${event.address}: ${said(event.error)}`;
    case "dial-failed":
      return `no connection to ${event.address}, others are preferred for ${Math.round(event.retryInMs)} ms: ${said(event.error)}`;
    case "server-ejected":
      return `${event.address} gets no calls for ${event.forMs} ms: ${ejectionReasons[event.reason]}`;
    case "server-returned":
      return `${event.address} answers again`;
    case "store-failed":
      return `the registry's store failed (${event.operation}): ${RpcError.from(event.error).message}`;
    case "store-damaged":
      return `the registry's file is damaged and set aside as ${event.path}; servers come back with their next heartbeat: ${event.error.message}`;
    case "leases-extended":
      return `${event.count} leases get one more TTL: ${extensionReasons[event.reason]}`;
    default:
      // An event that is newer than this list: its fields tell.
      return (event as { kind: string }).kind;
  }
}

/** What a user writes so that the type is declared. A declaration too long for a line is left to the fields. */
function declared({
  side,
  serviceMethod,
  declaration,
}: Extract<RpcEvent, { kind: "ambiguous-type" }>): string {
  const text = declaration.length > maxDeclarationLength ? "…" : declaration;
  const parsed = `parseGobType(${JSON.stringify(text)})`;
  if (side === "args") {
    return `--gob '${text.replaceAll("'", "'\\''")}' or { gob: ${parsed} }`;
  }
  const method = serviceMethod.slice(serviceMethod.lastIndexOf(".") + 1);
  const key = /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(method)
    ? method
    : JSON.stringify(method);
  return `static rpc = { methods: { ${key}: { gob: { reply: ${parsed} } } } }`;
}

function said({ code, message }: RpcError): string {
  return `${message} (${code})`;
}

function errorFields(thrown: unknown): { code: string; message: string } {
  const { code, message } = RpcError.from(thrown);
  return { code, message };
}
