import type { Database, Statement } from "bun:sqlite";
import { join } from "node:path";
import { RpcError } from "../errors.ts";
import { plainDescription, readDescription } from "./description.ts";
import type { Registration } from "./lease-table.ts";

/** A registration as it outlives the process: instants do not, a TTL does. */
export interface StoredLease {
  readonly registration: Registration;
  /** 0 is for ever. */
  readonly ttlMs: number;
  /** Who may change it; undefined: everybody. */
  readonly owner: string | undefined;
}

export interface LeaseFileOptions {
  /** Told why the file was not usable, and where it is now. */
  readonly onDamaged: (error: Error, path: string) => void;
  /** What a file that is begun anew gets first. */
  readonly current: () => Iterable<StoredLease>;
}

interface Row {
  address: string;
  ttlMs: number;
  owner: string | null;
  said: string;
}

/** Another one is another layout of the file. */
const layout = 2;

/**
 * Registrations in one SQLite file of this process alone, `registry.sqlite`.
 *
 * What a call wrote when it returned outlives the process, however it ends;
 * the last of it may be lost with the machine, since nothing waits for the
 * disk (14 µs a row instead of 200): servers that live say it again. Each row
 * holds what the server said, as it said it, and is read as if it said it now.
 *
 * A file that is damaged is renamed to `registry.sqlite.damaged`, over an
 * older one, and begun anew. Not in parallel with another process: it holds
 * the file's lock until it is closed.
 */
export class LeaseFile {
  readonly #path: string;
  readonly #options: LeaseFileOptions;
  /** Undefined when the next write has to begin the file anew. */
  #table: LeaseRows | undefined;

  /**
   * Opens or makes the file, and the folder. Gives what it holds, sorted by
   * address.
   *
   * @throws RpcError unavailable (sent: false)  no such place, no right to it, full, or in use
   */
  static open(
    folder: string,
    options: LeaseFileOptions,
  ): { file: LeaseFile; leases: readonly StoredLease[] } {
    const path = join(folder, "registry.sqlite");
    const { mkdirSync } = process.getBuiltinModule("node:fs");
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      const { table, leases } = openWhole(path, options);
      return { file: new LeaseFile(path, table, options), leases };
    } catch (cause) {
      const reason =
        codeOf(cause) === "SQLITE_BUSY"
          ? "another registry uses it"
          : RpcError.from(cause).message;
      throw new RpcError("unavailable", `cannot use ${path}: ${reason}`, {
        sent: false,
        cause,
      });
    }
  }

  private constructor(
    path: string,
    table: LeaseRows,
    options: LeaseFileOptions,
  ) {
    this.#path = path;
    this.#table = table;
    this.#options = options;
  }

  /**
   * Writes one registration over what its address had.
   *
   * @throws RpcError unavailable  not written: no space, no disk
   */
  put(lease: StoredLease): void {
    this.#write((table) => table.put(lease));
  }

  /**
   * Takes addresses out: all of them or, when it throws, none.
   *
   * @throws RpcError unavailable  as `put`
   */
  delete(addresses: Iterable<string>): void {
    this.#write((table) => table.delete(addresses));
  }

  close(): void {
    this.#table?.close();
    this.#table = undefined;
  }

  /** Runs a write; where the file turns out to be damaged, in a new one. */
  #write(run: (table: LeaseRows) => void): void {
    try {
      try {
        run((this.#table ??= this.#beginAnew()));
      } catch (thrown) {
        if (!isDamage(thrown)) throw thrown;
        this.close();
        this.#options.onDamaged(thrown, setAside(this.#path));
        run((this.#table = this.#beginAnew()));
      }
    } catch (cause) {
      const { message } = RpcError.from(cause);
      throw new RpcError(
        "unavailable",
        `cannot write to ${this.#path}: ${message}`,
        { cause },
      );
    }
  }

  #beginAnew(): LeaseRows {
    const table = new LeaseRows(openDatabase(this.#path));
    try {
      table.replace(this.#options.current());
      return table;
    } catch (thrown) {
      table.close();
      throw thrown;
    }
  }
}

/** The table of an open file. Each method is one transaction. */
class LeaseRows {
  readonly #database: Database;
  readonly #put: Statement;
  readonly #delete: Statement;

  constructor(database: Database) {
    this.#database = database;
    this.#put = database.query(
      "INSERT OR REPLACE INTO leases VALUES (?1, ?2, ?3, ?4)",
    );
    this.#delete = database.query("DELETE FROM leases WHERE address = ?1");
  }

  put({ registration, ttlMs, owner }: StoredLease): void {
    const { address } = registration;
    const said = JSON.stringify(plainDescription(registration));
    this.#put.run(address, ttlMs, owner ?? null, said);
  }

  delete(addresses: Iterable<string>): void {
    this.#database.transaction(() => {
      for (const address of addresses) this.#delete.run(address);
    })();
  }

  replace(leases: Iterable<StoredLease>): void {
    this.#database.transaction(() => {
      this.#database.run("DELETE FROM leases");
      for (const lease of leases) this.put(lease);
    })();
  }

  /** @throws DamageError  the file is not whole, or not this class's */
  read(): readonly StoredLease[] {
    const verdict = pragma(this.#database, "quick_check");
    if (verdict !== "ok") throw new DamageError(String(verdict));
    return this.#database
      .query<Row, []>("SELECT * FROM leases ORDER BY address")
      .all()
      .map(readRow);
  }

  close(): void {
    this.#database.close();
  }
}

function openWhole(path: string, { onDamaged }: LeaseFileOptions) {
  try {
    return openAndRead(path);
  } catch (thrown) {
    if (!isDamage(thrown)) throw thrown;
    onDamaged(thrown, setAside(path));
    return openAndRead(path);
  }
}

function openAndRead(path: string) {
  const table = new LeaseRows(openDatabase(path));
  try {
    return { table, leases: table.read() };
  } catch (thrown) {
    table.close();
    throw thrown;
  }
}

function openDatabase(path: string): Database {
  // Not with the library, most of whose users have no such file.
  const { Database } = process.getBuiltinModule(
    "bun:sqlite",
  ) as typeof import("bun:sqlite");
  const database = new Database(path, { create: true, strict: true });
  try {
    // A second process would not see what this one keeps in memory.
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = NORMAL");
    const version = pragma(database, "user_version");
    if (version === 0) database.transaction(() => layOut(database))();
    else if (version !== layout) {
      throw new DamageError(`it has layout ${version}, not ${layout}`);
    }
    return database;
  } catch (thrown) {
    database.close();
    throw thrown;
  }
}

function layOut(database: Database): void {
  database.run(
    "CREATE TABLE leases (address TEXT PRIMARY KEY, ttlMs REAL NOT NULL, owner TEXT, said TEXT NOT NULL) STRICT, WITHOUT ROWID",
  );
  database.run(`PRAGMA user_version = ${layout}`);
}

function readRow({ address, ttlMs, owner, said }: Row): StoredLease {
  try {
    const registration = { address, ...readDescription(said) };
    return { registration, ttlMs, owner: owner ?? undefined };
  } catch (cause) {
    throw new DamageError(`the row of ${address} is none`, { cause });
  }
}

function pragma(database: Database, name: string): unknown {
  const row = database.query<object, []>(`PRAGMA ${name}`).get();
  return Object.values(row ?? {})[0];
}

/** The file is not what this class wrote. */
class DamageError extends Error {}

function isDamage(thrown: unknown): thrown is Error {
  const code = codeOf(thrown);
  return (
    thrown instanceof DamageError ||
    code === "SQLITE_NOTADB" ||
    code?.startsWith("SQLITE_CORRUPT") === true
  );
}

function codeOf(thrown: unknown): string | undefined {
  return (thrown as { code?: string } | undefined)?.code;
}

/** Renames the file, gives its new path. A log left beside it is dropped by SQLite, since a new file has nothing of it. */
function setAside(path: string): string {
  const aside = `${path}.damaged`;
  process.getBuiltinModule("node:fs").renameSync(path, aside);
  return aside;
}
