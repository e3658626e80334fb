import { dirname } from "node:path";
import type { Clock } from "../base/clock.ts";
import { RpcError } from "../errors.ts";
import type { Endpoint } from "./discovery.ts";
import { maxListBytes, readJsonListing } from "./listing.ts";

/** A list as a file has kept it. */
export interface StoredList {
  /** At least one. */
  readonly endpoints: readonly Endpoint[];
  /** Since it was last known to be good, by the machine's date. */
  readonly ageMs: number;
}

/** A list that has not changed is written again after so long, so that the file tells how old it is. */
const rewriteAfterMs = 60_000;

/**
 * The last good list on disk: JSON as a registry lists servers,
 * `{"savedAt","sources","servers":[{"address","services","weight","zone"}]}`.
 *
 * Another file takes its place at once, by a rename, so a process that is
 * killed leaves the one or the other; the last one may be lost with the
 * machine, since nothing waits for the disk. Loads are not kept, they are old
 * by then, nor is an empty list, which would help nobody. Readable for its
 * owner alone: who can write it says where calls go. A file of other sources
 * is left alone by `read`, so that one place cannot mix two fleets.
 */
export class ListFile {
  readonly path: string;
  readonly #sources: readonly string[];
  readonly #clock: Clock;
  #servers = "";
  #writtenAt = -Infinity;

  /** @param sources what the list is asked of */
  constructor(path: string, sources: readonly string[], clock: Clock) {
    this.path = path;
    this.#sources = sources;
    this.#clock = clock;
  }

  /**
   * What was kept; undefined where there is no file, or one of other sources.
   *
   * @throws RpcError unavailable (sent: false)  it cannot be read, or is no such list
   */
  read(): StoredList | undefined {
    const { readFileSync, statSync } = process.getBuiltinModule("node:fs");
    try {
      const file = statSync(this.path, { throwIfNoEntry: false });
      if (file === undefined) return undefined;
      if (!file.isFile() || file.size > maxListBytes) {
        throw new Error("it is no file of a list");
      }
      return this.#listIn(readFileSync(this.path, "utf8"));
    } catch (cause) {
      throw this.#failed("read", cause);
    }
  }

  /**
   * Writes a list, where it is another one or the file has grown old.
   *
   * @throws RpcError unavailable (sent: false)  it cannot be written; it is not tried again for a minute
   */
  keep(endpoints: readonly Endpoint[]): void {
    if (endpoints.length === 0) return;
    const servers = JSON.stringify(endpoints.map(withoutLoad));
    const now = this.#clock.now();
    const isSame = servers === this.#servers;
    if (isSame && now - this.#writtenAt < rewriteAfterMs) return;
    this.#servers = servers;
    this.#writtenAt = now;
    try {
      this.#write(servers);
    } catch (cause) {
      throw this.#failed("write", cause);
    }
  }

  #write(servers: string): void {
    const { mkdirSync, renameSync, rmSync, writeFileSync } =
      process.getBuiltinModule("node:fs");
    const savedAt = JSON.stringify(new Date());
    const sources = JSON.stringify(this.#sources);
    const text = `{"savedAt":${savedAt},"sources":${sources},"servers":${servers}}\n`;
    const written = `${this.path}.${process.pid}.tmp`;
    mkdirSync(dirname(this.path), { recursive: true });
    try {
      writeFileSync(written, text, { mode: 0o600 });
      renameSync(written, this.path);
    } catch (thrown) {
      rmSync(written, { force: true });
      throw thrown;
    }
  }

  #listIn(text: string): StoredList | undefined {
    const { endpoints } = readJsonListing(text);
    const { savedAt, sources } = JSON.parse(text) as Record<string, unknown>;
    const ageMs = Date.now() - Date.parse(String(savedAt));
    if (endpoints.length === 0 || !Array.isArray(sources) || isNaN(ageMs)) {
      throw new Error("it is no kept list");
    }
    if (!sources.some((source) => this.#sources.includes(source))) {
      return undefined;
    }
    return { endpoints, ageMs: Math.max(0, ageMs) };
  }

  #failed(verb: "read" | "write", cause: unknown): RpcError {
    const { message } = RpcError.from(cause);
    const text = `cannot ${verb} the list in ${this.path}: ${message}`;
    return new RpcError("unavailable", text, { sent: false, cause });
  }
}

function withoutLoad({ load: _load, ...told }: Endpoint): object {
  return told;
}
