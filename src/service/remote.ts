import type { CallOptions } from "./call-options.ts";
import {
  type ReplyStream,
  type StreamCall,
  streamable,
} from "./stream-call.ts";

/** Names that are never exposed, whatever a class declares. */
type Hidden = `_${string}` | "constructor" | "start" | "then" | "toJSON";

/** What travels item by item, as an argument or as a reply. */
type Streaming = AsyncIterable<unknown> | AsyncIterator<unknown>;

/** What the streams among `Value` consist of. */
type ItemOf<Value> =
  Value extends AsyncIterable<infer Item>
    ? Item
    : Value extends AsyncIterator<infer Item>
      ? Item
      : never;

/** An argument as a caller gives it: a stream is anything that `for await` reads item by item. */
type Argument<Args> = Args extends Streaming
  ? AsyncIterable<ItemOf<Args>>
  : Args;

/**
 * What a call returns whose method replies with `Value`. A method that streams
 * at times only is awaited, and what came is looked at.
 */
type Answer<Value> = [Extract<Value, Streaming>] extends [never]
  ? Promise<Value>
  : [Exclude<Value, Streaming>] extends [never]
    ? StreamCall<ItemOf<Value>>
    : Promise<Exclude<Value, Streaming> | ReplyStream<ItemOf<Value>>>;

/**
 * A method as its callers see it: its argument, then options; the context is
 * the server's. A reply that is a stream (an async generator, a ReadableStream)
 * is a StreamCall of its items, any other a promise. An argument that is a
 * stream reaches the handler as an AsyncIterable, whatever the caller has
 * given: declare it as one.
 */
export type RemoteMethod<Method> = Method extends (
  ...parameters: infer Parameters
) => infer Result
  ? Parameters extends []
    ? (args?: undefined, options?: CallOptions) => Answer<Awaited<Result>>
    : Parameters extends [infer Args, ...unknown[]]
      ? (args: Argument<Args>, options?: CallOptions) => Answer<Awaited<Result>>
      : Parameters extends [(infer Args)?, ...unknown[]]
        ? (
            args?: Argument<Args>,
            options?: CallOptions,
          ) => Answer<Awaited<Result>>
        : never
  : never;

/** A service as its callers see it: its methods, without what a server does not expose. */
export type RemoteService<Service> = {
  [
    Name in keyof Service as Name extends string
      ? Name extends Hidden
        ? never
        : Service[Name] extends (...parameters: never[]) => unknown
          ? Name
          : never
      : never
  ]: RemoteMethod<Service[Name]>;
};

/** Services by name, as their callers see them. */
export type Remote<Services> = {
  readonly [Name in keyof Services]: RemoteService<Services[Name]>;
};

/** Fails to compile for a service that is named like a member of the client: reach it with call(). */
export type Unclashing<Client, Services> = {
  [Name in keyof Services]: Name extends keyof Client ? never : unknown;
};

export type RemoteCall = (
  serviceMethod: string,
  args: unknown,
  options: CallOptions | undefined,
) => Promise<unknown>;

/** Names that the language itself asks any object for: to await it, to make JSON of it. */
const askedByLanguage: ReadonlySet<string> = new Set(["then", "toJSON"]);

/**
 * An object on which every property is a service and every property of that a
 * method. `then`, `toJSON` and symbols are none, so that awaiting or printing
 * it, in a template or as JSON, calls nothing.
 */
export function remote<Services>(call: RemoteCall): Remote<Services> {
  return memberProxy(nothing("services"), (service) =>
    remoteService(service, call),
  ) as Remote<Services>;
}

/** A client with the services that it reaches beside its own members, which win. */
export function withServices<
  Client extends {
    call: (...parameters: Parameters<RemoteCall>) => Promise<unknown>;
  },
  Services,
>(client: Client): Client & Remote<Services> {
  return memberProxy(client, (service) =>
    remoteService(service, (serviceMethod, args, options) =>
      client.call(serviceMethod, args, options),
    ),
  ) as Client & Remote<Services>;
}

function remoteService(service: string, call: RemoteCall): object {
  return memberProxy(
    nothing(service),
    (method) => (args: unknown, options?: CallOptions) =>
      streamable(call(`${service}.${method}`, args, options)),
  );
}

/** `target` with members that are made by name, once each, where it has none itself. */
function memberProxy(target: object, make: (name: string) => unknown): object {
  const members = new Map<string | symbol, unknown>();
  return new Proxy(target, {
    get(own, name) {
      if (members.has(name)) return members.get(name);
      if (name in own) {
        const value: unknown = Reflect.get(own, name, own);
        // Bound, because private fields are not reached through a proxy.
        if (typeof value !== "function") return value;
        members.set(name, value.bind(own));
      } else if (typeof name === "string" && !askedByLanguage.has(name)) {
        members.set(name, make(name));
      }
      return members.get(name);
    },
  });
}

/**
 * An object without members, not even inherited ones. As text it is `name`:
 * String() would else look for a method toString, and call it.
 */
function nothing(name: string): object {
  return Object.create(null, {
    [Symbol.toPrimitive]: {
      value: () => `[geerpc ${name}]`,
      // A proxy may give another value for a property that is not fixed.
      configurable: true,
    },
  }) as object;
}
