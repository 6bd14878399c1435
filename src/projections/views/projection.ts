import type { EventType } from "../../domain/catalogue.js";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import type { ViewChange, ViewName } from "../view-change.js";
import type { Concerning, EventOf } from "./concerns.js";

/** Where the event stands in the log. `revision` is the client's `pos` for events of a conversation's stream. */
export type EventPlace = Pick<RecordedEvent, "stream" | "revision" | "position">;

/** What an event changes in one view: a pure function to data. Only the runner writes. */
export type Handler<Type extends EventType = EventType> = (
  event: EventOf<Type>,
  place: EventPlace,
) => readonly ViewChange[];

/** A view's handlers: one for every event that concerns it, and none for another. */
export type Projection<View extends ViewName> = { readonly [Type in Concerning<View>]: Handler<Type> };
