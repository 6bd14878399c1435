import Database from "better-sqlite3";
import type { RecordedEvent, StreamName } from "../../domain/kernel/stream.js";

/**
 * Whether each stream begins at revision 0 and goes on without a gap. A log may have more streams than memory: what is
 * too much lies in a file of SQLite's that has no name and goes with the process.
 */
export type Revisions = {
  /** What was expected, where the event's is another one. */
  readonly wrong: (event: Pick<RecordedEvent, "stream" | "revision">) => number | undefined;
  readonly close: () => void;
};

/** Some 30 MB. */
const inMemoryMax = 200_000;

export const createRevisions = (max = inMemoryMax): Revisions => {
  const newest = new Map<StreamName, number>();
  // An empty name is a temporary file.
  const db = new Database("");
  db.exec("create table heads (stream text primary key, revision integer not null) strict, without rowid");
  const find = db.prepare<[string], number>("select revision from heads where stream = ?").pluck();
  const put = db.prepare<[string, number]>(
    "insert into heads values (?, ?) on conflict do update set revision = excluded.revision",
  );
  const spill = db.transaction(() => {
    for (const [stream, revision] of newest) put.run(stream, revision);
    newest.clear();
  });
  return {
    wrong: ({ stream, revision }) => {
      const expected = (newest.get(stream) ?? find.get(stream) ?? -1) + 1;
      if (revision !== expected) return expected;
      newest.set(stream, revision);
      if (newest.size >= max) spill();
      return undefined;
    },
    close: () => {
      db.close();
    },
  };
};
