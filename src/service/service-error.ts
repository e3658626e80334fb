import { type Code, RpcError } from "../errors.ts";

/** Codes that geerpc itself fails calls with, and then without details. */
type OwnCode =
  | "cancelled"
  | "unknown"
  | "invalid_argument"
  | "deadline_exceeded"
  | "resource_exhausted"
  | "unimplemented"
  | "internal"
  | "unavailable";

/** The details that a service declares, by code. */
type DeclaredErrors<Service> = Service extends {
  readonly rpcErrors: infer Errors;
}
  ? Errors
  : unknown;

/** Fails to compile for a service whose rpcErrors have a key that is no code. */
export type Declaring<Service> = {
  readonly [Name in keyof Service]: Name extends "rpcErrors"
    ? {
        readonly [Key in keyof Service[Name]]: Key extends Code
          ? unknown
          : never;
      }
    : unknown;
};

/** An RpcError of which more is known. */
type ErrorWith<OneCode extends Code, Details> = RpcError & {
  readonly code: OneCode;
  readonly details: Details;
};

/** What a caller finds in an error of one of the declared codes. */
type Received<OneCode, Details> =
  Details | (OneCode extends OwnCode ? undefined : never);

/**
 * How calls of a service fail, by `code`. A service declares the details of
 * its errors in its class, which leaves nothing behind at run time:
 *
 *     declare readonly rpcErrors: { not_found: { id: number } };
 *
 * The details of other codes are unknown. With a code that geerpc itself uses,
 * such as resource_exhausted, declared details may be undefined. They are what
 * the server says they are: nothing is checked at run time. Of several
 * services in a union it is what any of them fails with.
 */
export type ServiceError<Service extends Declaring<Service>> = ErrorsOf<
  DeclaredErrors<Service>
>;

type ErrorsOf<Declared> =
  | {
      [OneCode in keyof Declared & Code]: ErrorWith<
        OneCode,
        Received<OneCode, Declared[OneCode]>
      >;
    }[keyof Declared & Code]
  | ErrorWith<Exclude<Code, keyof Declared>, unknown>;

/**
 * What a call of `Service` has thrown, typed; what is no RpcError is thrown
 * on.
 *
 *     catch (thrown) {
 *       const error = errorOf<Users>(thrown);
 *       if (error.code === "not_found") console.log(error.details.id);
 *     }
 */
export function errorOf<Service extends Declaring<Service> = object>(
  thrown: unknown,
): ServiceError<Service> {
  const error = RpcError.own(thrown);
  if (error === undefined) throw thrown;
  return error as ServiceError<Service>;
}

/** Code, message and details of an error that a service may throw. */
type FailureOf<Declared> =
  | {
      [OneCode in keyof Declared & Code]: [
        code: OneCode,
        message: string,
        details: Declared[OneCode],
      ];
    }[keyof Declared & Code]
  | [code: Exclude<Code, keyof Declared>, message: string, details?: unknown];

/**
 * An error for a handler of `Service` to throw, with the details that the
 * service declares for its code: `throw failure<Users>("not_found", "nobody", { id })`.
 */
export function failure<Service extends Declaring<Service> = object>(
  ...[code, message, details]: FailureOf<DeclaredErrors<Service>>
): RpcError {
  return new RpcError(code, message, { details });
}
