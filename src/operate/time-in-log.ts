/**
 * Where a time is in a log. Clocks of several processes differ, so the times of a log do not always grow, and a time has two
 * ends: a range begins and stops before the first event that says it or later (`positionBefore`), so that ranges which share
 * an end tile the log; what was so at a time is everything up to the last event that says it or earlier (`lastThrough`), so
 * that nothing that had happened is left out. Where times grow the two are one: before 10:01 is through 10:00:59.999.
 */
import { isLeaf } from "../audit/canonical.js";
import { writtenAt } from "../audit/written-at.js";
import { asPosition, noPosition, type Position, type RecordedEvent } from "../domain/kernel/stream.js";
import { pageEvents, pagesOf } from "./pages.js";
import type { LogToRead, Target } from "./target.js";

/**
 * Clocks of several processes differ, and one may have been set back: the times of a log do not always grow. So far before
 * a time its first event is looked for one by one.
 */
const clockBackMsMax = 3_600_000;

/**
 * The position of the last event before the first one of that time or later, but for those that tell the log's own
 * incarnations apart. 0 when nothing is before it. Of a directory by halving, of EventStoreDB by reading: not every number
 * is a position there.
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
      // An import begins its log with an event that is younger than all that it brings.
      if (!isLeaf(event.stream)) continue;
      if ((writtenAt(event) ?? -Infinity) >= time) return last;
      last = event.position;
    }
  }
  return last;
};

/**
 * The last event in the log's order that says that time or earlier; undefined when none does. Before it there may be some
 * that say a later one. `head`: what came after it is not looked at. Backwards from the end: what is asked about is recent, as a rule.
 */
export const lastThrough = (
  log: Pick<LogToRead, "readAll">,
  time: number,
  head: Position,
): Promise<RecordedEvent | undefined> =>
  lastThat(log, undefined, (event) => event.position <= head && (writtenAt(event) ?? Infinity) <= time);

/** The last event strictly before a position (undefined: of all) that is meant. */
export const lastThat = async (
  log: Pick<LogToRead, "readAll">,
  before: Position | undefined,
  isMeant: (event: RecordedEvent) => boolean,
): Promise<RecordedEvent | undefined> => {
  for (let from = before; ;) {
    const page = await log.readAll(from, pageEvents, "backwards");
    const found = page.find(isMeant);
    if (found !== undefined || page.length === 0) return found;
    from = page.at(-1)?.position;
  }
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
