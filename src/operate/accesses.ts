import type { AccessEvent } from "../domain/access.events.js";
import { decodeEvent, UnreadableEvent } from "../domain/catalogue.js";
import { streamOf, type Position } from "../domain/kernel/stream.js";
import { streamEvents } from "../domain/kernel/stream-pages.js";
import type { LogToRead } from "./target.js";

/** An event of `parley-access`, and where it stands. `unreadable`: it is damaged, or of a newer version. */
export type AccessEntry = { readonly position: Position } & (
  { readonly event: AccessEvent } | { readonly unreadable: string }
);

/** All of the operators' accesses, oldest first, page by page. */
export async function* accessEntries(log: Pick<LogToRead, "readStream">): AsyncGenerator<AccessEntry> {
  for await (const recorded of streamEvents(log, streamOf.access)) {
    const { position } = recorded;
    try {
      yield { position, event: decodeEvent(recorded) as AccessEvent };
    } catch (error) {
      if (!(error instanceof UnreadableEvent)) throw error;
      yield { position, unreadable: error.message };
    }
  }
}

/** One privileged read, as it is listed. */
export type ListedAccess = {
  readonly position: Position;
  /** Epoch milliseconds. */
  readonly at: number;
  /** The operating system's account; undefined for one without a name. */
  readonly operator?: string;
  readonly kind: string;
  readonly reason: string;
  readonly scope: Readonly<Record<string, string>>;
};

/** All must hold, as far as they are given. `since`: epoch milliseconds, inclusive. */
export type AccessFilter = { readonly since?: number; readonly operator?: string; readonly kind?: string };

/** Those that pass, oldest first; an entry that cannot be read passes always: nothing may hide among accesses. */
export async function* listAccesses(
  log: Pick<LogToRead, "readStream">,
  filter: AccessFilter,
): AsyncGenerator<ListedAccess | { readonly position: Position; readonly unreadable: string }> {
  for await (const entry of accessEntries(log)) {
    if ("unreadable" in entry) {
      yield entry;
      continue;
    }
    const { position, event } = entry;
    if (event.type !== "AccessRecorded") continue;
    const { at, by, kind, reason, scope } = event;
    const who = by.kind === "operator" ? by.userId : undefined;
    if (filter.since !== undefined && at < filter.since) continue;
    if (filter.operator !== undefined && who !== filter.operator) continue;
    if (filter.kind !== undefined && kind !== filter.kind) continue;
    yield { position, at, ...(who === undefined ? {} : { operator: who }), kind, reason, scope };
  }
}
