/** Events as an operator reads them: by place, by filter, followed. Content stays sealed unless it is asked for. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { plainFieldsOf, sealedFieldsOf } from "../../commands/sealing/sealed-fields.js";
import { ContentDamaged, openingWith } from "../../commands/sealing/sealing.js";
import { catalogue } from "../../domain/catalogue.js";
import { byOf, userIdOf } from "../../domain/kernel/by.js";
import type { UserId } from "../../domain/kernel/ids.js";
import {
  asPosition,
  laterOf,
  noRevision,
  revisionAfter,
  type Position,
  type RecordedEvent,
  type Revision,
} from "../../domain/kernel/stream.js";
import { openTextCipher, type SodiumChoice } from "../../infra/text-cipher/open.js";
import type { SqliteLogReader } from "../../infra/event-log/sqlite/file-reader.js";
import { pause } from "../../lib/time.js";
import { pageEvents, pagesOf } from "../pages.js";
import { openKeysOf, openLogOf } from "./stores.js";

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
  /** Those after a position as they come; ends with the signal. Rejects when the log cannot be read any more. */
  readonly follow: (filter: EventFilter, after: Position, signal: AbortSignal) => AsyncGenerator<ShownEvent>;
  /** The revision of a stream's last event; undefined for a stream that is not there. */
  readonly lastRevision: (stream: string) => Promise<number | undefined>;
  readonly at: (place: EventPlace) => Promise<ShownEvent | undefined>;
  readonly close: () => void;
};

export { textFields } from "../../commands/sealing/sealed-fields.js";

/** What Parley writes. Others could have appended more, where the log's port is writable. */
export const eventTypes: readonly string[] = Object.keys(catalogue);

/** The server tells no other process that the log has grown. */
const pollMs = 200;

/** `open`: with this build of the library that sealed it. @throws (rejects) NotThere without a log, or (`open`) without keys. */
export const openLogInspection = async (
  dir: string,
  options: { readonly open?: SodiumChoice } = {},
): Promise<LogInspection> => {
  const log = openLogOf(dir);
  const keys = options.open === undefined ? undefined : openKeysOf(dir);
  const open = keys && openingWith(keys, (await openTextCipher(options.open)).cipher);
  const show = async (recorded: RecordedEvent): Promise<ShownEvent> => {
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
  const from: LogInspection["from"] = async function* (filter, position, limit) {
    let left = limit;
    for await (const recorded of forwards(log, filter, asPosition(position - 1))) {
      if (left <= 0) return;
      left -= 1;
      yield await show(recorded);
    }
  };
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
    from,
    follow: async function* (filter, after, signal) {
      let seen = after;
      const ended = (): boolean => signal.aborted;
      while (!ended()) {
        const head = await log.head();
        for await (const recorded of forwards(log, filter, seen)) {
          if (ended()) return;
          seen = recorded.position;
          yield await show(recorded);
        }
        // What does not pass is not read again and again.
        seen = laterOf(seen, head);
        await pause(pollMs, { stopped: signal });
      }
    },
    lastRevision: async (stream) => (await log.readStream(stream, noRevision, 1, "backwards"))[0]?.revision,
    at: async (place) => {
      const [recorded] =
        "position" in place
          ? await log.readAll(asPosition(place.position - 1), 1)
          : await log.readStream(place.stream, place.revision, 1);
      const here =
        recorded !== undefined &&
        ("position" in place ? recorded.position === place.position : recorded.revision === place.revision);
      return here ? show(recorded) : undefined;
    },
    close: () => {
      log.close();
      keys?.close();
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

async function* forwards(log: SqliteLogReader, filter: EventFilter, after: Position): AsyncGenerator<RecordedEvent> {
  for await (const page of pagesOf(log, after))
    for (const recorded of page) if (passes(filter, recorded)) yield recorded;
}

/** By the stream's index where there is a stream, else through the whole log. */
async function* backwards(log: SqliteLogReader, filter: EventFilter): AsyncGenerator<RecordedEvent> {
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
