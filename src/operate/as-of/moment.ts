import { writtenAt } from "../../audit/written-at.js";
import { asPosition, noPosition, type Position, type RecordedEvent } from "../../domain/kernel/stream.js";
import { pageEvents } from "../pages.js";
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

/**
 * The last event at or before a position; of a time, the last event in the log's order whose own time is at or before it.
 * Times grow within a stream and not over the whole log, since processes have clocks of their own: so before that event
 * there may be some that say a later time. They are in the log before it, and count.
 */
export const momentOf = async (log: LogToRead, asked: MomentAsked): Promise<Moment> => {
  const head = await log.head();
  if (asked === "now") return momentAt(head, await lastOf(log, { upTo: head, head }, () => true));
  if ("position" in asked) {
    if (asked.position > head) throw new BeyondHead(asked.position, head);
    return momentAt(head, await lastOf(log, { upTo: asPosition(asked.position), head }, () => true));
  }
  return momentAt(head, await lastOf(log, { upTo: head, head }, (event) => (writtenAt(event) ?? Infinity) <= asked.at));
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

/** The last event up to a position, inclusive, that is meant: backwards, which a reader of a log asks for "strictly before". */
const lastOf = async (
  log: LogToRead,
  { upTo, head }: { readonly upTo: Position; readonly head: Position },
  is: (event: RecordedEvent) => boolean,
): Promise<RecordedEvent | undefined> => {
  let before: Position | undefined;
  if (upTo < head) {
    if (upTo === noPosition) return undefined;
    const [here] = await log.readAll(await predecessor(log, upTo), 1);
    if (here?.position === upTo && is(here)) return here;
    before = upTo;
  }
  for (;;) {
    const page = await log.readAll(before, pageEvents, "backwards");
    const found = page.find((event) => event.position <= upTo && is(event));
    if (found !== undefined || page.length === 0) return found;
    before = page.at(-1)?.position;
  }
};

const predecessor = async (log: LogToRead, position: Position): Promise<Position> =>
  (await log.readAll(position, 1, "backwards"))[0]?.position ?? noPosition;
