import Database from "better-sqlite3";
import { closeToOthers, openToRead } from "./sqlite-file.js";

/** Of one step: some milliseconds, in which the copying process does nothing else. */
const pagesOfStep = 2_000;

/**
 * Copies a file that its server writes meanwhile, as it is at this moment. A transaction holds the moment: a copy by steps
 * would else begin again whenever something is written between two of them. The copy needs no other file beside it and can
 * be read where nothing can be written.
 * @param onProgress bytes
 * @throws (rejects) SqliteError, NotReadableHere
 */
export const copyLogFile = async (
  from: string,
  to: string,
  onProgress: (done: number, of: number) => void,
): Promise<void> => {
  const db = openToRead(from);
  try {
    db.exec("begin");
    db.prepare("select count(*) from sqlite_schema").get();
    const pageBytes = db.pragma("page_size", { simple: true }) as number;
    closeToOthers(to);
    await db.backup(to, {
      progress: ({ totalPages, remainingPages }) => {
        onProgress((totalPages - remainingPages) * pageBytes, totalPages * pageBytes);
        return pagesOfStep;
      },
    });
  } finally {
    db.close();
  }
  const copy = new Database(to);
  try {
    copy.pragma("journal_mode = DELETE");
  } finally {
    copy.close();
  }
};

/** The same of a small file, without what lies in pages that it does not use any more. @throws SqliteError, NotReadableHere */
export const copyKeyFile = (from: string, to: string): void => {
  const db = openToRead(from);
  try {
    closeToOthers(to);
    db.pragma("query_only = OFF");
    db.prepare("vacuum into ?").run(to);
  } finally {
    db.close();
  }
};
