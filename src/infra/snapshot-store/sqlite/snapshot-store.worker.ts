/** The snapshot store's part of a thread: every chunk with its digest, since SQLite does not notice a flipped bit. */
import type Database from "better-sqlite3";
import type { SnapshotHead } from "../../../commands/ports.js";
import type { Revision, StreamName } from "../../../domain/kernel/stream.js";
import type { OpenInThread } from "../../engines/shared-thread.js";
import { digestOf } from "../digest.js";
import { isDamage } from "../../engines/disposable-file.js";
import { discardSnapshotFile, openSnapshotFile } from "./schema.js";

export type SnapshotWorkerData = { readonly path: string };

/** `names`: all chunks of the snapshot; those that are not `written` are held already. */
export type Saved = {
  readonly head: SnapshotHead;
  readonly names: readonly string[];
  readonly written: readonly { readonly name: string; readonly fixed: boolean; readonly data: Uint8Array }[];
};
type Found = SnapshotHead & { readonly chunks: readonly (readonly [string, Uint8Array])[] };

type SnapshotRow = { version: number; revision: Revision; event_id: string; names: string };
type ChunkRow = { name: string; digest: Buffer; data: Buffer };

const createFile = (db: Database.Database) => {
  const head = db.prepare<[string], SnapshotRow>("select * from snapshots where stream = ?");
  const putHead = db.prepare<[string, number, number, string, string]>(
    "insert or replace into snapshots values (?, ?, ?, ?, ?)",
  );
  const dropHead = db.prepare<[string]>("delete from snapshots where stream = ?");
  const chunks = db.prepare<[string], ChunkRow>("select name, digest, data from chunks where stream = ?");
  const names = db.prepare<[string], string>("select name from chunks where stream = ?").pluck();
  const fixedNames = db.prepare<[string], string>("select name from chunks where stream = ? and fixed = 1").pluck();
  const put = db.prepare<[string, string, number, Buffer, Uint8Array]>(
    "insert or replace into chunks values (?, ?, ?, ?, ?)",
  );
  const drop = db.prepare<[string, string]>("delete from chunks where stream = ? and name = ?");
  const dropAll = db.prepare<[string]>("delete from chunks where stream = ?");

  const forget = db.transaction((stream: StreamName) => {
    dropHead.run(stream);
    dropAll.run(stream);
  });
  const save = db.transaction((stream: StreamName, saved: Saved) => {
    const { version, revision, eventId } = saved.head;
    for (const { name, fixed, data } of saved.written) put.run(stream, name, fixed ? 1 : 0, digestOf(data), data);
    const wanted = new Set(saved.names);
    for (const name of names.all(stream)) if (!wanted.delete(name)) drop.run(stream, name);
    if (wanted.size > 0) throw new Error(`the snapshot of ${stream} lacks ${[...wanted].join(", ")}`);
    putHead.run(stream, version, revision, eventId, JSON.stringify(saved.names));
  });
  return {
    load: (stream: StreamName, version: number): Found | undefined => {
      const row = head.get(stream);
      if (row?.version !== version) return undefined;
      const found = chunks.all(stream);
      const isWhole =
        found.length === (JSON.parse(row.names) as string[]).length &&
        found.every(({ data, digest }) => digestOf(data).equals(digest));
      if (!isWhole) {
        forget(stream);
        return undefined;
      }
      return { version, revision: row.revision, eventId: row.event_id, chunks: found.map((c) => [c.name, c.data]) };
    },
    heldFixed: (stream: StreamName, version: number): string[] =>
      head.get(stream)?.version === version ? fixedNames.all(stream) : [],
    save,
    close: (): void => {
      db.close();
    },
  };
};

/** A file that turns out to be damaged is made anew, and the question asked again. */
const createHandlers = (path: string) => {
  let file = createFile(openSnapshotFile(path));
  const mending = <A>(ask: () => A): A => {
    try {
      return ask();
    } catch (error) {
      if (!isDamage(error)) throw error;
      file.close();
      discardSnapshotFile(path);
      file = createFile(openSnapshotFile(path));
      return ask();
    }
  };
  return {
    load: (stream: StreamName, version: number): Found | undefined => mending(() => file.load(stream, version)),
    heldFixed: (stream: StreamName, version: number): string[] => mending(() => file.heldFixed(stream, version)),
    save: (stream: StreamName, saved: Saved): void => {
      mending(() => {
        file.save(stream, saved);
      });
    },
    close: (): void => {
      file.close();
    },
  };
};

export type SnapshotHandlers = ReturnType<typeof createHandlers>;

export const open: OpenInThread<SnapshotWorkerData> = ({ path }) => createHandlers(path);
