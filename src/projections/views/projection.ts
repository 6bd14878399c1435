import type { DomainEvent } from "../../domain/catalogue.js";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import type { ViewChange } from "../view-change.js";

/** Where the event stands in the log. `revision` is the client's `pos` for events of a conversation's stream. */
export type EventPlace = Pick<RecordedEvent, "stream" | "revision" | "position">;

/** What an event changes in one view: a pure function to data. Only the runner writes. */
export type Projection = (event: DomainEvent, place: EventPlace) => readonly ViewChange[];

export const nothing: readonly ViewChange[] = [];
