import type { CallOptions } from "./options.ts";

/** Names that are never exposed, whatever a class declares. */
type Hidden = `_${string}` | "constructor" | "start" | "then" | "toJSON";

/** A method as its callers see it: its argument, then options; the context is the server's. */
export type RemoteMethod<Method> = Method extends (
  ...parameters: infer Parameters
) => infer Result
  ? Parameters extends []
    ? (args?: undefined, options?: CallOptions) => Promise<Awaited<Result>>
    : Parameters extends [infer Args, ...unknown[]]
      ? (args: Args, options?: CallOptions) => Promise<Awaited<Result>>
      : Parameters extends [(infer Args)?, ...unknown[]]
        ? (args?: Args, options?: CallOptions) => Promise<Awaited<Result>>
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
      call(`${service}.${method}`, args, options),
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
