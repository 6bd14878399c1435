import { join } from "node:path";
import type { EventLog } from "../../src/commands/ports.js";
import {
  asPosition,
  asRevision,
  firstRevision,
  noPosition,
  type Position,
  type RecordedEvent,
} from "../../src/domain/kernel/stream.js";
import { createFeed } from "../../src/infra/event-log/sqlite/feed.js";
import { eventsOf } from "../../src/infra/event-log/sqlite/read-statements.js";
import { openLogCore } from "../../src/infra/event-log/sqlite/log-core.js";
import { outcome, pushAppend, type AppendCells, type ReadRequest } from "../../src/infra/event-log/sqlite/wire.js";
import type { QueryDependencies } from "../../src/projections/queries/create.js";
import { projectBatch } from "../../src/projections/runner.js";
import { coreStore, temporaryDirectory } from "./sqlite-views.js";

/** The embedded profile's log and views without their threads: opened at once, in a directory of their own. */
export type StoresHere = {
  readonly log: EventLog;
  readonly views: QueryDependencies["views"];
  readonly position: () => Position;
  readonly streams: () => readonly string[];
  readonly eventsOf: (stream: string) => readonly RecordedEvent[];
  readonly close: () => void;
};

const countMax = 1_000_000;

export const openStoresHere = (epoch: string): StoresHere => {
  const directory = temporaryDirectory();
  const core = openLogCore(join(directory.path, "log.db"));
  const read = (request: ReadRequest): readonly RecordedEvent[] => eventsOf(core.read(request));
  const after = (from: Position, count: number) => read({ all: true, from, count, direction: "forwards" });
  const feed = createFeed(core.head(), (from, count) => Promise.resolve(after(from, count)));
  const log: EventLog = {
    append: (stream, expected, events) => {
      const cells: AppendCells = [];
      pushAppend(cells, stream, expected, events);
      const [kind, revision = 0, position = 0] = core.commit([cells]);
      feed.advance(core.head(), []);
      return Promise.resolve(
        kind === outcome.conflict
          ? { kind: "conflict", actual: asRevision(revision) }
          : { kind: "appended", revision: asRevision(revision), position: asPosition(position) },
      );
    },
    readStream: (stream, from, count, direction = "forwards") =>
      Promise.resolve(read({ stream, from, count, direction })),
    readAll: (from, count, direction = "forwards") => Promise.resolve(read({ all: true, from, count, direction })),
    subscribe: feed.subscribe,
    head: () => Promise.resolve(core.head()),
  };

  const store = coreStore(join(directory.path, "views.db"));
  let projected: Position = noPosition;
  return {
    log,
    views: {
      store,
      opened: noPosition,
      problem: () => undefined,
      awaitCaughtUp: async (position) => {
        const { changes, failure } = projectBatch(after(projected, countMax));
        if (failure !== undefined) throw failure.error;
        projected = core.head();
        await store.apply(changes, { position: projected, epoch });
        return projected >= position;
      },
      reached: () => projected,
    },
    position: core.head,
    streams: () => [...new Set(after(noPosition, countMax).map(({ stream }) => stream))],
    eventsOf: (stream) => read({ stream, from: firstRevision, count: countMax, direction: "forwards" }),
    close: () => {
      store.close();
      core.close();
      directory.remove();
    },
  };
};
