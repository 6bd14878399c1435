import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { decodeEvent } from "../../domain/catalogue.js";
import type { Position, StreamName } from "../../domain/kernel/stream.js";
import { streamPages } from "../../domain/kernel/stream-pages.js";
import { openSqliteViewsFile, type SqliteViews } from "../../infra/view-store/sqlite/views-file.js";
import type { ViewReads } from "../../projections/ports/view-store.js";
import { project } from "../../projections/registry.js";
import type { LogToRead } from "../target.js";

/**
 * Views as they were at a position, made of the streams named alone: the product's own projections into a store of its
 * own, which lies in a file of the temporary directory so that memory does not grow with the streams. Which streams come
 * first does not matter: all changes commute. The file is gone when `body` has ended; texts are in it as in the log, sealed.
 *
 * @throws (rejects) UnreadableEvent, and what the log rejects with
 */
export const withViewsAsOf = async <A>(
  log: Pick<LogToRead, "readStream">,
  streams: readonly StreamName[],
  upTo: Position,
  body: (reads: ViewReads) => Promise<A>,
): Promise<A> => {
  const directory = await mkdtemp(join(tmpdir(), "parley-as-of-"));
  try {
    const views = openSqliteViewsFile(join(directory, "views.db"));
    try {
      for (const stream of streams)
        for await (const page of streamPages(log, stream, { upTo })) {
          views.apply(page.flatMap((recorded) => project(decodeEvent(recorded), recorded)));
          await nextTurn();
        }
      return await body(asynchronous(views.reads));
    } finally {
      views.close();
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
};

/** The synchronous reads of a file, as the port has them. */
export const asynchronous = (reads: SqliteViews["reads"]): ViewReads => {
  const later = ([name, read]: readonly [string, unknown]) => [
    name,
    (...asked: readonly unknown[]) =>
      new Promise((resolve) => {
        resolve((read as (...asked: readonly unknown[]) => unknown)(...asked));
      }),
  ];
  return Object.fromEntries(Object.entries(reads).map(later)) as ViewReads;
};
