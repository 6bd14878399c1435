import { decodeEvent } from "../../domain/catalogue.js";
import { streamOf, type Position, type RecordedEvent, type StreamName } from "../../domain/kernel/stream.js";
import { streamPages } from "../../domain/kernel/stream-pages.js";
import type { EventSource } from "../ports/event-source.js";
import type { StoredRow } from "../ports/generations.js";
import { rowName } from "../ports/stored-rows.js";
import { project, views } from "../registry.js";
import { foldChanges, type ViewChange } from "../view-change.js";
import { changesOfRow } from "../views/stored-row.js";
import type { RowPlace } from "./compare.js";

/** An event that concerns a row, as an operator finds it again: `parley events show STREAM@REVISION`. */
export type ProvingEvent = Pick<RecordedEvent, "stream" | "revision" | "position" | "type">;

export type RowFromLog = {
  /** What the log makes of the row; undefined when no event concerns it. */
  readonly row: StoredRow | undefined;
  /** The newest of the events that concern it, at most `eventsMax`, and how many there are. */
  readonly events: readonly ProvingEvent[];
  readonly eventCount: number;
};

const eventsMax = 20;

/** Folds the events up to a position that concern one row. Reads the row's streams alone, page by page. */
export const rowFromLog = async (
  source: Pick<EventSource, "readStream">,
  place: RowPlace,
  upTo: Position,
): Promise<RowFromLog> => {
  let row: StoredRow | undefined;
  let newest: readonly ProvingEvent[] = [];
  let eventCount = 0;
  for (const stream of streamsOfRow(place))
    for await (const page of streamPages(source, stream, { upTo })) {
      const changes: ViewChange[] = row === undefined ? [] : [...changesOfRow(place.view, row)];
      for (const recorded of page) {
        const concerning = project(decodeEvent(recorded), recorded).filter((change) => isOf(place, change));
        if (concerning.length === 0) continue;
        changes.push(...concerning);
        eventCount += 1;
        const { revision, position, type } = recorded;
        newest = [...newest, { stream, revision, position, type }].slice(-eventsMax);
      }
      row = foldChanges(changes).get(place.view)?.[0];
    }
  return { row, events: newest.toSorted((a, b) => a.position - b.position), eventCount };
};

/** Which streams' events may change a row: those of the conversation and of the user that its key names. */
export const streamsOfRow = ({ view, key }: RowPlace): readonly StreamName[] => {
  const part = (name: string): string | undefined => {
    const index = Object.keys(views[view].key).indexOf(name);
    return index === -1 ? undefined : String(key[index]);
  };
  const [conversationId, userId] = [part("conversationId"), part("userId")];
  return [
    ...(conversationId === undefined ? [] : [streamOf.conversation(conversationId), streamOf.receipts(conversationId)]),
    ...(userId === undefined ? [] : [streamOf.user(userId)]),
  ];
};

const isOf = (place: RowPlace, change: ViewChange): boolean => rowName(change) === rowName(place);
