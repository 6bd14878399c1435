import { decodeEvent, type DomainEvent } from "../../domain/catalogue.js";
import type { RecordedEvent } from "../../domain/kernel/stream.js";
import { rollupIntervalMs } from "../delivery/receipt-rollups.js";

/** An event, and when it happened. */
type Timed = { readonly recorded: RecordedEvent; readonly at: number };

/** More events than that are not one interval's, whatever their times say. */
const eventsMax = 500;

/**
 * Cuts a log into the intervals in which follow-ups are gathered, by the events' own times: the same log is cut the same,
 * whatever pages it comes in. An event that cannot be read is of the interval that it stands in.
 */
export async function* turnsOf(
  pages: AsyncIterable<readonly RecordedEvent[]>,
): AsyncGenerator<readonly RecordedEvent[]> {
  let turn: RecordedEvent[] = [];
  let began = 0;
  for await (const page of pages)
    for (const { recorded, at } of page.map((event) => timed(event, began))) {
      if (turn.length > 0 && (at - began >= rollupIntervalMs || at < began || turn.length >= eventsMax)) {
        yield turn;
        turn = [];
      }
      if (turn.length === 0) began = at;
      turn.push(recorded);
    }
  if (turn.length > 0) yield turn;
}

const timed = (recorded: RecordedEvent, otherwise: number): Timed => {
  const decoded = readable(recorded);
  return decoded === undefined ? { recorded, at: otherwise } : { recorded: { ...recorded, decoded }, at: decoded.at };
};

/** What cannot be read is told of by whoever projects or delivers it. */
const readable = (recorded: RecordedEvent): DomainEvent | undefined => {
  try {
    return decodeEvent(recorded);
  } catch {
    return undefined;
  }
};
