/** The events of a log that an export is about, page by page and in the log's order. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { isLeaf } from "../../audit/canonical.js";
import {
  joinedBy,
  passes,
  streamsNamedBy,
  streamsOfConversation,
  type Selection,
} from "../../audit/export/selection.js";
import type { UserId } from "../../domain/kernel/ids.js";
import {
  asPosition,
  laterOf,
  noPosition,
  streamOf,
  type Position,
  type RecordedEvent,
  type StreamName,
} from "../../domain/kernel/stream.js";
import { streamPages } from "../../domain/kernel/stream-pages.js";
import { pagesOf } from "../pages.js";
import type { LogToRead } from "../target.js";

/** `upTo`: inclusive. `onRead`: up to which position the log was read, also where nothing passed. */
export async function* selectedEvents(
  log: LogToRead,
  selection: Selection,
  { after, upTo, onRead }: { readonly after: Position; readonly upTo: Position; onRead: (position: Position) => void },
): AsyncGenerator<RecordedEvent> {
  const end = asPosition(Math.min(upTo, selection.to ?? upTo));
  const begin = laterOf(after, asPosition((selection.from ?? 1) - 1));
  const wanted = await wantedStreams(log, selection, upTo);
  const named = streamsNamedBy(selection);
  const pages = named === undefined ? pagesOf(log, begin, end) : onePage(streamsInOrder(log, named));
  for await (const page of pages) {
    for (const event of page) {
      if (event.position <= begin || event.position > end || !isLeaf(event.stream)) continue;
      if ((wanted === undefined || wanted.has(event.stream)) && passes(selection, event)) yield event;
    }
    onRead(page.at(-1)?.position ?? begin);
  }
}

async function* onePage(events: AsyncGenerator<RecordedEvent>): AsyncGenerator<readonly RecordedEvent[]> {
  for await (const event of events) yield [event];
}

/** Of a user: whose conversations are known only when the log was read once. Undefined: no stream is left out. */
const wantedStreams = async (
  log: LogToRead,
  { user }: Selection,
  upTo: Position,
): Promise<ReadonlySet<StreamName> | undefined> => {
  if (user === undefined) return undefined;
  return new Set([streamOf.user(user), ...(await conversationsOf(log, user, upTo)).flatMap(streamsOfConversation)]);
};

const conversationsOf = async (log: LogToRead, user: UserId, upTo: Position): Promise<readonly string[]> => {
  const found = new Set<string>();
  for await (const page of pagesOf(log, noPosition, upTo))
    for (const event of page) {
      const conversation = joinedBy(event, user);
      if (conversation !== undefined) found.add(conversation);
    }
  return [...found];
};

/** A few streams, each read by its index, merged by position. */
async function* streamsInOrder(log: LogToRead, names: readonly StreamName[]): AsyncGenerator<RecordedEvent> {
  const streams = await Promise.all(
    names.map(async (name) => {
      const events = eventsOf(log, name);
      return { events, next: await events.next() };
    }),
  );
  for (;;) {
    const waiting = streams.filter(({ next }) => next.done !== true);
    const [first] = waiting.toSorted((a, b) => positionIn(a) - positionIn(b));
    if (first?.next.done !== false) return;
    yield first.next.value;
    first.next = await first.events.next();
  }
}

const positionIn = ({ next }: { readonly next: IteratorResult<RecordedEvent> }): number =>
  next.done === true ? Infinity : next.value.position;

/** Between pages other work of this process has its turn. */
async function* eventsOf(log: LogToRead, name: StreamName): AsyncGenerator<RecordedEvent> {
  for await (const page of streamPages(log, name)) {
    yield* page;
    await nextTurn();
  }
}
