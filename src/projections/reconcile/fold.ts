import { decodeEvent } from "../../domain/catalogue.js";
import type { UserId } from "../../domain/kernel/ids.js";
import {
  firstRevision,
  revisionAfter,
  streamOf,
  type Position,
  type RecordedEvent,
  type Revision,
  type StreamName,
} from "../../domain/kernel/stream.js";
import { streamPages } from "../../domain/kernel/stream-pages.js";
import type { EventSource } from "../ports/event-source.js";
import { rowName } from "../ports/stored-rows.js";
import type { project } from "../registry.js";
import { createRightRows, proofOf, type RightRow, type RightRows } from "./right-rows.js";
import { concernsSubject, sequenceOf, streamsOf, type Subject, type Window } from "./subject.js";

export type FoldDependencies = {
  readonly source: Pick<EventSource, "readStream">;
  /** The registry's, or another build's. */
  readonly project: typeof project;
  /** Rows with a sequence that one window may have: what a fold keeps in memory. */
  readonly rowsMax: number;
};

/** Where in each stream a window's events begin; a stream that is not named has none. */
export type Begin = ReadonlyMap<StreamName, Revision>;

/** The right rows of one window of a subject, from its streams alone. */
export type SubjectFold = {
  readonly rows: RightRows;
  /** Shrinks while it is folded, so that its rows fit. */
  readonly window: () => Window;
  /** Reads each stream on, up to and with the position. @throws UnreadableEvent, and what the log throws */
  readonly foldTo: (position: Position) => Promise<void>;
  /** Follows what they prefer in the conversation. */
  readonly addUsers: (users: Iterable<UserId>) => void;
  /** Where the events of what lies beyond the window begin; undefined: nothing does. */
  readonly beyond: () => Begin | undefined;
};

/** User streams that are read at once. */
const streamsAtOnce = 16;

export const createFold = (deps: FoldDependencies, subject: Subject, begin: Begin, first: Window): SubjectFold => {
  const rows = createRightRows();
  const next = new Map<StreamName, Revision>(begin);
  const users = new Set<UserId>();
  const later = new Map<StreamName, Revision>();
  let window = first;
  let room = deps.rowsMax;

  const left = (stream: StreamName, revision: Revision): void => {
    const known = later.get(stream);
    if (known === undefined || revision < known) later.set(stream, revision);
  };

  const take = (recorded: RecordedEvent): void => {
    const event = decodeEvent(recorded);
    const changes = deps.project(event, recorded).filter((change) => {
      if (!concernsSubject(subject, change)) return false;
      const sequence = sequenceOf(change);
      if (sequence === undefined) return window.from === 0;
      if (sequence > window.to) left(recorded.stream, recorded.revision);
      return sequence >= window.from && sequence <= window.to;
    });
    rows.apply(changes, proofOf(recorded, event.type));
  };

  /** Half of the rows are left to the next window where there are too many. */
  const fit = (): void => {
    if (rows.size() <= room) return;
    const sequences = [...rows.all()].flatMap((row) => sequenceOf(row) ?? []).sort((a, b) => a - b);
    const to = sequences[sequences.length >> 1];
    if (sequences.length <= deps.rowsMax || to === undefined || to === sequences.at(-1)) {
      room = rows.size() + deps.rowsMax;
      return;
    }
    window = { ...window, to };
    for (const row of [...rows.all()]) if ((sequenceOf(row) ?? 0) > to) giveUp(row);
  };
  const giveUp = (row: RightRow): void => {
    for (const { stream, revision } of Object.values(row.proofs)) left(stream, revision);
    rows.drop(rowName(row));
  };

  const read = async (stream: StreamName, upTo: Position): Promise<void> => {
    const from = next.get(stream);
    if (from === undefined) return;
    for await (const page of streamPages(deps.source, stream, { from, upTo })) {
      for (const recorded of page) {
        take(recorded);
        next.set(stream, revisionAfter(recorded.revision));
      }
      fit();
    }
  };

  const addUsers = (found: Iterable<UserId>): void => {
    if (subject.kind === "user" || window.from > 0) return;
    for (const userId of found) {
      if (users.has(userId) || (subject.only ?? userId) !== userId) continue;
      users.add(userId);
      next.set(streamOf.user(userId), firstRevision);
    }
  };
  const members = function* (): Generator<UserId> {
    for (const { view, key } of rows.all()) if (view === "members") yield String(key[1]);
  };

  return {
    rows,
    window: () => window,
    foldTo: async (position) => {
      for (const stream of streamsOf(subject)) await read(stream, position);
      addUsers(members());
      const all = [...users];
      for (let index = 0; index < all.length; index += streamsAtOnce)
        await Promise.all(
          all.slice(index, index + streamsAtOnce).map((userId) => read(streamOf.user(userId), position)),
        );
    },
    addUsers,
    beyond: () => (later.size === 0 ? undefined : later),
  };
};
