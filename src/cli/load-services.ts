import { resolve } from "node:path";
import { RpcError } from "../errors.ts";
import { functionFields } from "../service/collect.ts";
import type { Server } from "../server/server.ts";
import { serviceExports } from "./service-exports.ts";

/** What somebody may have meant as a service or as a method of one, and why it is none. */
export interface LeftOut {
  file: string;
  name: string;
  reason: string;
  /** Its type promises it to callers. */
  isPromised: boolean;
}

/**
 * Imports each file, as it is on disk, and registers the services that it
 * exports. `import … from "geerpc"` inside the files gives this very library,
 * also in the executable.
 *
 * @returns what was left out: exports, and fields of services
 * @throws RpcError failed_precondition  a file that is missing, throws, or
 *   exports no service; the message names the file and the reason
 */
export async function loadServices(
  files: readonly string[],
  server: Server,
): Promise<LeftOut[]> {
  await provideLibrary();
  const leftOut: LeftOut[] = [];
  for (const file of files) leftOut.push(...(await loadFile(file, server)));
  return leftOut;
}

async function loadFile(file: string, server: Server): Promise<LeftOut[]> {
  const { services, leftOut } = serviceExports(await importFile(file), file);
  if (services.length === 0) {
    throw failure(
      file,
      leftOut[0] === undefined
        ? "it exports no service: write export class Name { method(args) { … } }"
        : `it exports no service: ${leftOut[0].name} ${leftOut[0].reason}`,
    );
  }
  const fields: Omit<LeftOut, "file">[] = [];
  for (const { name, make } of services) {
    let service: object;
    try {
      service = make();
    } catch (thrown) {
      throw failure(file, `new ${name}() throws: ${reasonOf(thrown)}`, thrown);
    }
    try {
      server.register(service, name);
    } catch (thrown) {
      throw failure(file, reasonOf(thrown), thrown);
    }
    for (const field of functionFields(service)) {
      fields.push({
        name: `${name}.${field}`,
        reason: `is a field: write it as a method, ${field}(args) { … }`,
        isPromised: true,
      });
    }
  }
  const exports = leftOut.map((left) => ({ ...left, isPromised: false }));
  return [...exports, ...fields].map((left) => ({ file, ...left }));
}

async function importFile(file: string): Promise<Record<string, unknown>> {
  const path = resolve(file);
  if (!(await Bun.file(path).exists())) {
    throw failure(file, "there is no such file");
  }
  try {
    // Computed, or the bundler would look for it when the executable is built.
    return await import(path);
  } catch (thrown) {
    throw failure(file, `it throws: ${reasonOf(thrown)}`, thrown);
  }
}

let isProvided = false;

/** Once per thread: what `geerpc` means inside users' files. */
async function provideLibrary(): Promise<void> {
  if (isProvided) return;
  isProvided = true;
  const library = await import("../index.ts");
  Bun.plugin({
    name: "geerpc",
    setup(build) {
      build.module("geerpc", () => ({
        exports: { ...library },
        loader: "object",
      }));
    },
  });
}

function failure(file: string, reason: string, cause?: unknown): RpcError {
  return new RpcError(
    "failed_precondition",
    `cannot serve ${file}: ${reason}`,
    { cause },
  );
}

/** What was thrown, in one line. A file that does not parse throws one error per mistake. */
function reasonOf(thrown: unknown): string {
  const first =
    thrown instanceof AggregateError ? (thrown.errors[0] as unknown) : thrown;
  const { message } = RpcError.from(first);
  const { position } = (first ?? {}) as { position?: { line?: number } | null };
  const [line = ""] = message.split("\n");
  return position?.line === undefined
    ? line
    : `${line} (line ${position.line})`;
}
