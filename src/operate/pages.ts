import { setImmediate as nextTurn } from "node:timers/promises";
import type { EventLog } from "../commands/ports.js";
import type { Position, RecordedEvent } from "../domain/kernel/stream.js";

/** Events of one read: a writer's checkpoint of the WAL waits for none that is longer than some milliseconds. */
export const pageEvents = 500;

/**
 * Pages of the whole log after a position, until a short one, or up to and with `upTo`. Between pages other work of this
 * process has its turn.
 */
export async function* pagesOf(
  log: Pick<EventLog, "readAll">,
  after: Position,
  upTo = Infinity,
): AsyncGenerator<readonly RecordedEvent[]> {
  let position = after;
  while (position < upTo) {
    const page = await log.readAll(position, pageEvents);
    const within = (page.at(-1)?.position ?? 0) <= upTo ? page : page.filter((event) => event.position <= upTo);
    if (within.length > 0) yield within;
    if (within.length < pageEvents) return;
    position = page.at(-1)?.position ?? position;
    await nextTurn();
  }
}
