import type { CallOptions } from "./options.ts";

/** Names that are never exposed, whatever a class declares. */
type Hidden = `_${string}` | "constructor" | "start";

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

export type RemoteCall = (
  serviceMethod: string,
  args: unknown,
  options: CallOptions | undefined,
) => Promise<unknown>;

/**
 * An object on which every property is a service and every property of that a
 * method. `then` and symbols are none, so that it can be awaited and printed.
 */
export function remote<Services>(call: RemoteCall): Remote<Services> {
  return memberProxy((service) =>
    memberProxy(
      (method) => (args: unknown, options?: CallOptions) =>
        call(`${service}.${method}`, args, options),
    ),
  ) as Remote<Services>;
}

/** An object whose members are made by name, once each. */
export function memberProxy(make: (name: string) => unknown): object {
  const members = new Map<string, unknown>();
  return new Proxy(Object.create(null) as object, {
    get(_target, name) {
      if (typeof name === "symbol" || name === "then") return undefined;
      let member = members.get(name);
      if (member === undefined) {
        member = make(name);
        members.set(name, member);
      }
      return member;
    },
  });
}
