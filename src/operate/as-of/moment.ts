import { writtenAt } from "../../audit/written-at.js";
import { asPosition, noPosition, type Position, type RecordedEvent } from "../../domain/kernel/stream.js";
import { lastThat, lastThrough } from "../time-in-log.js";
import type { LogToRead } from "../target.js";

/** A moment of the log: everything up to and with a position has happened, and nothing after it. */
export type Moment = {
  /** The last event's; 0 before the first. */
  readonly position: Position;
  /** That event; undefined before the first. */
  readonly last?: Pick<RecordedEvent, "stream" | "revision" | "type"> & { readonly at?: number };
  /** Where the log ended when it was asked. */
  readonly head: Position;
};

/** `position`: need not be one that an event has. `at`: epoch milliseconds. Neither: now. */
export type MomentAsked = { readonly position: number } | { readonly at: number } | "now";

/** The last event at or before a position; of a time `lastThrough` it. */
export const momentOf = async (log: LogToRead, asked: MomentAsked): Promise<Moment> => {
  const head = await log.head();
  if (asked === "now") return momentAt(head, await lastUpTo(log, head, head));
  if ("at" in asked) return momentAt(head, await lastThrough(log, asked.at, head));
  if (asked.position > head) throw new BeyondHead(asked.position, head);
  return momentAt(head, await lastUpTo(log, asPosition(asked.position), head));
};

export class BeyondHead extends Error {
  constructor(position: number, head: Position) {
    super(
      `The log ends at position ${head}: nothing is known of ${position} yet. Name a position up to ${head}, or a time`,
    );
    this.name = "BeyondHead";
  }
}

const momentAt = (head: Position, event: RecordedEvent | undefined): Moment => {
  if (event === undefined) return { position: noPosition, head };
  const { position, stream, revision, type } = event;
  const at = writtenAt(event);
  return { position, last: { stream, revision, type, ...(at === undefined ? {} : { at }) }, head };
};

/** Up to a position, inclusive, which a reader of a log asks for "strictly before". */
const lastUpTo = async (log: LogToRead, upTo: Position, head: Position): Promise<RecordedEvent | undefined> => {
  if (upTo === noPosition) return undefined;
  if (upTo >= head) return lastThat(log, undefined, ({ position }) => position <= head);
  const [here] = await log.readAll(await predecessor(log, upTo), 1);
  return here?.position === upTo ? here : lastThat(log, upTo, () => true);
};

const predecessor = async (log: LogToRead, position: Position): Promise<Position> =>
  (await log.readAll(position, 1, "backwards"))[0]?.position ?? noPosition;
