import { RpcError } from "../errors.ts";
import { cutText } from "../events.ts";
import type { AdaptiveLimitOptions } from "./adaptive-limit-option.ts";
import { collectHandlers } from "./collect.ts";
import { Method, type MethodOptions } from "./method.ts";
import { splitServiceMethod } from "./service-method.ts";

export interface ServiceOptions {
  /** The name that callers use; by default the class's. */
  name?: string;
  /** Exposes what the class inherits, too. Off, so that `class A extends EventEmitter` does not expose `emit`. */
  inherited?: boolean;
  /** Limits of single methods and what holds for them, by name. */
  methods?: Record<string, MethodOptions>;
}

/** What a service may declare of itself as `static rpc`. */
export type ServiceDeclaration = Omit<ServiceOptions, "name">;

/** A service's own hooks: never exposed. */
interface Hooks {
  start?(): unknown;
  [Symbol.asyncDispose]?(): unknown;
}

const ownService = "_geerpc.methods";
/** geerpc's own method that names the idempotent ones, for clients. */
export const idempotentMethods = `${ownService}.idempotent`;

interface Service {
  target: Hooks;
  methods: Method[];
}

/**
 * The services of one server. Methods are collected once, at registration,
 * into a Map by their full name; a call's name is looked up there and never on
 * an object, so nothing else of a service can be reached.
 */
export class Services {
  readonly #services = new Map<string, Service>();
  #last: Method | undefined;
  readonly #methods = new Map<string, Method>();
  /** Hooks run once, over the services that are there then. */
  #isClosedToMore = false;

  readonly #limiting: AdaptiveLimitOptions | undefined;

  /** @param limiting for each method that does not decline it; undefined is no such limit */
  constructor(limiting?: AdaptiveLimitOptions) {
    this.#limiting = limiting;
    this.register({ idempotent: () => this.#idempotent() }, ownService);
  }

  /** Names of the services that users see, sorted. */
  get names(): string[] {
    return [...this.#services.keys()].filter(isPublic).sort();
  }

  /**
   * Adds the methods of `target`, an instance or a plain object of functions.
   *
   * @throws RpcError invalid_argument  no usable name, no methods, options for a method that is not there
   * @throws RpcError already_exists    a service of that name is there
   * @throws RpcError failed_precondition  start() or dispose() has run: this one's hooks never would
   */
  register(target: object, nameOrOptions: string | ServiceOptions = {}): void {
    if (this.#isClosedToMore) {
      throw new RpcError(
        "failed_precondition",
        "the services have been started already: register all of them before start() and listen()",
      );
    }
    const options =
      typeof nameOrOptions === "string"
        ? { name: nameOrOptions }
        : nameOrOptions;
    const {
      name,
      inherited,
      methods = {},
    } = {
      ...declarationOf(target),
      ...options,
    };
    const handlers = collectHandlers(target, inherited ?? false);
    const serviceName = checkName(name ?? target.constructor?.name);
    if (this.#services.has(serviceName)) {
      throw new RpcError(
        "already_exists",
        `a service named ${serviceName} is registered already: give this one another name`,
      );
    }
    for (const method of handlers.keys()) {
      if (!method.includes(".")) continue;
      throw new RpcError(
        "invalid_argument",
        `"${method}" cannot be a method's name: names split at their last dot`,
      );
    }
    for (const method of Object.keys(methods)) {
      if (handlers.has(method)) continue;
      throw new RpcError(
        "invalid_argument",
        `there are options for ${serviceName}.${method}, but no such method`,
      );
    }
    const service: Service = { target, methods: [] };
    for (const [methodName, handler] of handlers) {
      const serviceMethod = `${serviceName}.${methodName}`;
      const own = Object.hasOwn(methods, methodName)
        ? methods[methodName]
        : undefined;
      const method = new Method(
        serviceMethod,
        target,
        handler,
        own,
        this.#limiting,
      );
      service.methods.push(method);
    }
    // Only now: a method whose options are refused must leave nothing behind.
    for (const method of service.methods) {
      this.#methods.set(method.serviceMethod, method);
    }
    this.#services.set(serviceName, service);
  }

  /**
   * Finds `Service.Method`, split at its last dot.
   *
   * @throws RpcError invalid_argument  no such form
   * @throws RpcError unimplemented     no such service, or no such method of it
   */
  find(serviceMethod: string): Method {
    // Names are interned by a connection: mostly it is the same string again.
    if (serviceMethod === this.#last?.serviceMethod) return this.#last;
    const method = this.#methods.get(serviceMethod);
    if (method !== undefined) {
      this.#last = method;
      return method;
    }
    // The original's words, which its clients know.
    const parts = splitServiceMethod(serviceMethod);
    if (parts === undefined) {
      throw new RpcError(
        "invalid_argument",
        `rpc server: service/method request ill-formed: ${cutText(serviceMethod)}`,
      );
    }
    throw new RpcError(
      "unimplemented",
      this.#services.has(parts.service)
        ? `rpc server: can't find method ${cutText(parts.method)}`
        : `rpc server: can't find service ${cutText(parts.service)}`,
    );
  }

  /** The method of that name, if there is one. */
  peek(serviceMethod: string): Method | undefined {
    return this.#methods.get(serviceMethod);
  }

  /** Methods by service, both sorted, without the built-in ones. */
  list(): Map<string, Method[]> {
    return new Map(
      this.names.map((name) => {
        const { methods } = this.#services.get(name) as Service;
        return [
          name,
          methods.toSorted((a, b) =>
            a.serviceMethod < b.serviceMethod ? -1 : 1,
          ),
        ];
      }),
    );
  }

  /**
   * Runs the services' start() in the order of registration, once for an
   * object that has several names. What one throws goes to the caller.
   */
  async start(): Promise<void> {
    this.#isClosedToMore = true;
    for (const target of this.#targets()) await target.start?.();
  }

  /** Runs the services' asyncDispose in reverse order, once each; all run, then the first failure is thrown. */
  async dispose(): Promise<void> {
    this.#isClosedToMore = true;
    const failures: unknown[] = [];
    for (const target of this.#targets().reverse()) {
      try {
        await target[Symbol.asyncDispose]?.();
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Full names of the methods that are declared so, sorted. */
  #idempotent(): string[] {
    return [...this.#methods.values()]
      .filter(({ isIdempotent }) => isIdempotent)
      .map(({ serviceMethod }) => serviceMethod)
      .sort();
  }

  /** The objects that serve, each once, whatever number of names it has. */
  #targets(): Hooks[] {
    const all = [...this.#services.values()].map(({ target }) => target);
    return [...new Set(all)];
  }
}

/** What its own class declares: another's options are for other methods. */
function declarationOf(target: object): ServiceDeclaration | undefined {
  const service = target.constructor as
    { rpc?: ServiceDeclaration } | undefined;
  return service !== undefined && Object.hasOwn(service, "rpc")
    ? service.rpc
    : undefined;
}

/** Services whose name begins with `_` are geerpc's own. */
function isPublic(name: string): boolean {
  return !name.startsWith("_");
}

function checkName(name: string | undefined): string {
  if (name === undefined || name === "" || name === "Object") {
    throw new RpcError(
      "invalid_argument",
      'this service has no name: write register(service, "Name")',
    );
  }
  if (/[\s,]/.test(name) || name.length > 200) {
    throw new RpcError(
      "invalid_argument",
      `"${name}" cannot be a service's name: no spaces or commas, at most 200 characters`,
    );
  }
  return name;
}
