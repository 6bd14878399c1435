/** Events as an operator reads them: by place, by filter, followed. Content stays sealed unless it is asked for. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { plainFieldsOf, sealedFieldsOf } from "../../commands/sealing/sealed-fields.js";
import { ContentDamaged, openingWith } from "../../commands/sealing/sealing.js";
import { catalogue } from "../../domain/catalogue.js";
import { byOf, userIdOf } from "../../domain/kernel/by.js";
import type { UserId } from "../../domain/kernel/ids.js";
import {
  noPosition,
  noRevision,
  revisionAfter,
  type Position,
  type RecordedEvent,
  type Revision,
} from "../../domain/kernel/stream.js";
import { openTextCipher, type SodiumChoice } from "../../infra/text-cipher/open.js";
import { asError } from "../../lib/errors.js";
import { pause } from "../../lib/time.js";
import { whileAway } from "../../projections/keep-trying.js";
import { openToRead } from "../open.js";
import { pageEvents, pagesOf } from "../pages.js";
import type { LogToRead, Target } from "../target.js";

/**
 * `data` and `meta` parsed; what is not JSON stays a text. `opened`: a message's content in the clear, of other events
 * their texts by the names of their fields; null when the key is gone. What does not open, though its key is there, is
 * not among them: `damaged` says why.
 */
export type ShownEvent = Pick<RecordedEvent, "position" | "stream" | "revision" | "id" | "type"> & {
  readonly data: unknown;
  readonly meta: unknown;
  readonly opened?: unknown;
  readonly damaged?: string;
};

/** All must hold, as far as they are given. `since`: epoch milliseconds, inclusive. `user`: whose command it was. */
export type EventFilter = {
  readonly stream?: string;
  readonly type?: string;
  readonly since?: number;
  readonly user?: UserId;
};
export type EventPlace = { readonly position: Position } | { readonly stream: string; readonly revision: Revision };

export type LogInspection = {
  readonly head: () => Promise<Position>;
  /** The newest `limit` events that pass, oldest first. */
  readonly newest: (filter: EventFilter, limit: number) => Promise<readonly ShownEvent[]>;
  /** Events from a position on, inclusive, that pass; ends at the head, or after `limit`. */
  readonly from: (filter: EventFilter, position: Position, limit: number) => AsyncGenerator<ShownEvent>;
  /**
   * Those after a position as they come; ends with the signal. While a log of other machines is away, `onAway` hears of each
   * attempt and it goes on where it was. Rejects when the log cannot be read any more.
   */
  readonly follow: (
    filter: EventFilter,
    after: Position,
    signal: AbortSignal,
    onAway: (error: Error) => void,
  ) => AsyncGenerator<ShownEvent>;
  /** The revision of a stream's last event; undefined for a stream that is not there. */
  readonly lastRevision: (stream: string) => Promise<number | undefined>;
  readonly at: (place: EventPlace) => Promise<ShownEvent | undefined>;
  readonly close: () => Promise<void>;
};

export { textFields } from "../../commands/sealing/sealed-fields.js";

/** What Parley writes. Others could have appended more, where the log's port is writable. */
export const eventTypes: readonly string[] = Object.keys(catalogue);

/** The server tells no other process that the log has grown. */
const pollMs = 200;

/**
 * `open`: with this build of the library that sealed it.
 * @throws (rejects) NotThere without a log, or (`open`) without keys; Error that names an engine that does not answer
 */
export const openLogInspection = async (
  target: Target,
  options: { readonly open?: SodiumChoice } = {},
): Promise<LogInspection> => {
  const opened = await openToRead(target);
  try {
    const keys = options.open === undefined ? undefined : await opened.keys();
    const open = keys && openingWith(keys, (await openTextCipher(options.open)).cipher);
    return { ...inspectionOf(opened.log, open), close: opened.close };
  } catch (error) {
    await opened.close();
    throw error;
  }
};

type Open = ReturnType<typeof openingWith>;

const showing =
  (open: Open | undefined) =>
  async (recorded: RecordedEvent): Promise<ShownEvent> => {
    const { position, stream, revision, id, type } = recorded;
    const data = parsed(recorded.data);
    const shown = { position, stream, revision, id, type, data, meta: parsed(recorded.meta) };
    if (open === undefined) return shown;
    const fields = new Map<string, string | null>(plainFieldsOf(recorded));
    const damaged: string[] = [];
    for (const { field, context, sealed } of sealedFieldsOf(recorded)) {
      try {
        fields.set(field, await open(context, sealed));
      } catch (error) {
        // One damaged text must neither hide the event's others nor end a walk through the log that looks for it.
        if (!(error instanceof ContentDamaged)) throw error;
        damaged.push(error.message);
      }
    }
    return {
      ...shown,
      ...(fields.size === 0 ? {} : { opened: openedAs(fields) }),
      ...(damaged.length === 0 ? {} : { damaged: damaged.join("; ") }),
    };
  };

/** Of a log that is open already; without `open` content stays sealed. */
export const inspectionOf = (log: LogToRead, open?: Open): Omit<LogInspection, "close"> => {
  const show = showing(open);
  /** What lies before a position: positions are opaque, and a store may know none but those of events. */
  const before = async (position: Position): Promise<Position> =>
    position <= 1 ? noPosition : ((await log.readAll(position, 1, "backwards"))[0]?.position ?? noPosition);
  return {
    head: log.head,
    newest: async (filter, limit) => {
      const found: RecordedEvent[] = [];
      for await (const recorded of backwards(log, filter)) {
        if (found.length >= limit) break;
        found.push(recorded);
      }
      return Promise.all(found.reverse().map(show));
    },
    from: async function* (filter, position, limit) {
      let left = limit;
      for await (const recorded of forwards(log, filter, await before(position))) {
        if (left <= 0) return;
        left -= 1;
        yield await show(recorded);
      }
    },
    follow: async function* (filter, after, signal, onAway) {
      let seen = after;
      const ended = (): boolean => signal.aborted;
      const patient = <A>(ask: () => Promise<A>): Promise<A> =>
        whileAway(ask, ended, (error) => {
          onAway(asError(error));
        });
      const patientLog = {
        readAll: (...asked: Parameters<typeof log.readAll>) => patient(() => log.readAll(...asked)),
      };
      const news = async function* (): AsyncGenerator<RecordedEvent> {
        const head = await patient(log.head);
        // A node that follows the leader may not have come so far: it is not asked for what is not there.
        if (head > seen) for await (const page of pagesOf(patientLog, seen)) yield* page;
      };
      try {
        while (!ended()) {
          for await (const recorded of news()) {
            if (ended()) return;
            // What does not pass is not read again and again.
            seen = recorded.position;
            if (passes(filter, recorded)) yield await show(recorded);
          }
          await pause(pollMs, { stopped: signal });
        }
      } catch (error) {
        if (!ended()) throw error;
      }
    },
    lastRevision: async (stream) => (await log.readStream(stream, noRevision, 1, "backwards"))[0]?.revision,
    at: async (place) => {
      const [recorded] =
        "position" in place
          ? await log.readAll(await before(place.position), 1)
          : await log.readStream(place.stream, place.revision, 1);
      const here =
        recorded !== undefined &&
        ("position" in place ? recorded.position === place.position : recorded.revision === place.revision);
      return here ? show(recorded) : undefined;
    },
  };
};

const openedAs = (fields: ReadonlyMap<string, string | null>): unknown => {
  const content = fields.get("content");
  if (content === undefined) return Object.fromEntries(fields);
  return content === null ? null : parsed(content);
};

const passes = (filter: EventFilter, recorded: RecordedEvent): boolean => {
  const { stream, type, since, user } = filter;
  if (stream !== undefined && recorded.stream !== stream) return false;
  if (type !== undefined && recorded.type !== type) return false;
  if (since === undefined && user === undefined) return true;
  const { at, by } = (parsed(recorded.meta) ?? {}) as { at?: unknown; by?: unknown };
  if (since !== undefined && !(typeof at === "number" && at >= since)) return false;
  if (user === undefined) return true;
  const acting = byOf(by);
  return acting !== undefined && userIdOf(acting) === user;
};

async function* forwards(log: LogToRead, filter: EventFilter, after: Position): AsyncGenerator<RecordedEvent> {
  for await (const page of pagesOf(log, after))
    for (const recorded of page) if (passes(filter, recorded)) yield recorded;
}

/** By the stream's index where there is a stream, else through the whole log. */
async function* backwards(log: LogToRead, filter: EventFilter): AsyncGenerator<RecordedEvent> {
  const { stream } = filter;
  let before: Position | undefined;
  let from = noRevision;
  for (;;) {
    const page =
      stream === undefined
        ? await log.readAll(before, pageEvents, "backwards")
        : await log.readStream(stream, from, pageEvents, "backwards");
    for (const recorded of page) if (passes(filter, recorded)) yield recorded;
    const last = page.at(-1);
    if (page.length < pageEvents || last === undefined) return;
    // A position is exclusive, a revision inclusive; before revision 0 there is nothing.
    before = last.position;
    from = revisionAfter(last.revision, -1);
    if (stream !== undefined && from < 0) return;
    await nextTurn();
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text; // a damaged event is shown as it is: that is what one wants to see
  }
};
