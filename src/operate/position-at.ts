import { writtenAt } from "../audit/written-at.js";
import { asPosition, noPosition, type Position } from "../domain/kernel/stream.js";
import { pagesOf } from "./pages.js";
import type { LogToRead, Target } from "./target.js";

/**
 * Clocks of several processes differ, and one may have been set back: the times of a log do not always grow. So far before
 * a time its first event is looked for one by one.
 */
const clockBackMsMax = 3_600_000;

/**
 * The position of the last event before the first one of that time or later: what was there at that moment. 0 when nothing
 * is before it; the head when all is. Of a directory by halving, of EventStoreDB by reading: not every number is a
 * position there.
 */
export const positionBefore = async (
  { profile }: Pick<Target, "profile">,
  log: Pick<LogToRead, "readAll" | "head">,
  time: number,
): Promise<Position> => {
  const head = await log.head();
  let last = profile === "embedded" ? await longBefore(log, time - clockBackMsMax, head) : noPosition;
  for await (const page of pagesOf(log, last, head)) {
    for (const event of page) {
      if ((writtenAt(event) ?? -Infinity) >= time) return last;
      last = event.position;
    }
  }
  return last;
};

/** Of an event that is older than the time, and after which it is searched on. */
const longBefore = async (log: Pick<LogToRead, "readAll">, time: number, head: Position): Promise<Position> => {
  let older = noPosition;
  for (let newer = head; newer - older > 1;) {
    const middle = asPosition(Math.floor((older + newer) / 2));
    const [event] = await log.readAll(asPosition(middle - 1), 1);
    const at = event === undefined ? undefined : writtenAt(event);
    if (event !== undefined && at !== undefined && at < time && event.position < newer) older = event.position;
    else newer = middle;
  }
  return older;
};
