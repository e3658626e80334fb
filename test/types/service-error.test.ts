import { expect, expectTypeOf, test } from "bun:test";
import { type Code, pair, type Remote, RpcError } from "../../src/index.ts";
import {
  type Declaring,
  errorOf,
  failure,
  type ServiceError,
} from "../../src/service/service-error.ts";

class Users {
  declare readonly rpcErrors: {
    not_found: { id: number };
    resource_exhausted: { retryAfterMs: number };
  };
  get({ id }: { id: number }) {
    if (id === 1) return { name: "Ada" };
    throw failure<Users>("not_found", `no user ${id}`, { id });
  }
}

class Plain {
  get() {
    return 1;
  }
}

class Orders {
  declare readonly rpcErrors: { not_found: { order: string } };
  get() {
    return 1;
  }
}

class Misspelt {
  declare readonly rpcErrors: { not_found: number; not_fond: number };
  get() {
    return 1;
  }
}

const table = { upper: (text: string) => text.toUpperCase() };
type Table = typeof table & {
  readonly rpcErrors: { out_of_range: { most: number } };
};

/** The details of an error of `Service` whose code is known. */
type Details<Service extends Declaring<Service>, Known extends Code> =
  ServiceError<Service> extends infer Each
    ? Each extends { code: infer Codes; details: infer Found }
      ? Known extends Codes
        ? Found
        : never
      : never
    : never;

test("the code tells the details", async () => {
  await using both = pair({ Users: new Users() });
  const thrown: unknown = await both.client.Users.get({ id: 7 }).catch(
    (error) => error,
  );
  const error = errorOf<Users>(thrown);
  expectTypeOf(error).toExtend<RpcError>();
  expectTypeOf(error.code).toEqualTypeOf<Code>();
  expectTypeOf(error.details).toBeUnknown();
  expect(error).toBeInstanceOf(RpcError);
  if (error.code !== "not_found") throw error;
  expectTypeOf(error.details).toEqualTypeOf<{ id: number }>();
  expect(error.details.id).toBe(7);
});

test("codes that geerpc itself uses may come without details", () => {
  expectTypeOf<Details<Users, "resource_exhausted">>().toEqualTypeOf<
    { retryAfterMs: number } | undefined
  >();
});

test("details of a code that is not declared are unknown", () => {
  expectTypeOf<Details<Users, "aborted">>().toBeUnknown();
  expectTypeOf<Details<Plain, "not_found">>().toBeUnknown();
  expectTypeOf(errorOf).toBeCallableWith(new Error("no service named"));
});

test("a plain object declares its errors beside its type", () => {
  expectTypeOf<Details<Table, "out_of_range">>().toEqualTypeOf<{
    most: number;
  }>();
  expectTypeOf<
    keyof Remote<{ Table: Table }>["Table"]
  >().toEqualTypeOf<"upper">();
});

test("of several services the details are what any of them gives", () => {
  const never = (thrown: unknown) => {
    const error = errorOf<Users | Orders>(thrown);
    if (error.code !== "not_found") return;
    expectTypeOf(error.details).toEqualTypeOf<
      { id: number } | { order: string }
    >();
  };
  expect(never).toBeFunction();
  const unknown = (thrown: unknown) => {
    const error = errorOf<Users | Plain>(thrown);
    if (error.code === "not_found") expectTypeOf(error.details).toBeUnknown();
  };
  expect(unknown).toBeFunction();
});

test("the declaration is no method, and is not there at run time", () => {
  expectTypeOf<
    keyof Remote<{ Users: Users }>["Users"]
  >().toEqualTypeOf<"get">();
  expect("rpcErrors" in new Users()).toBe(false);
});

test("wrong codes and details do not compile", () => {
  const never = (thrown: unknown) => {
    // @ts-expect-error not_fond is no code
    errorOf<Misspelt>(thrown);
    // @ts-expect-error not_fond is no code
    failure<Misspelt>("not_found", "", 1);
    // @ts-expect-error not_fond is no code
    expectTypeOf<ServiceError<Misspelt>>();
    const error = errorOf<Users>(thrown);
    // @ts-expect-error its code is not known yet
    error.details.id;
    // @ts-expect-error there is no such code
    if (error.code === "not_fond") return;
    if (error.code === "not_found") {
      // @ts-expect-error there is no such detail
      error.details.name;
    }
    // @ts-expect-error id is a number
    failure<Users>("not_found", "", { id: "7" });
    // @ts-expect-error the details are missing
    failure<Users>("not_found", "");
    // @ts-expect-error there is no such code
    failure<Users>("not_fond", "");
    failure<Users>("aborted", "");
    failure<Users>("aborted", "", "anything");
  };
  expect(never).toBeFunction();
});
