import { t } from "./kernel/fp.js";
import type { EventContext } from "./kernel/decider.js";

/** Stored formats of `parley-access`: what operators looked into, told before it was opened. */

/**
 * A privileged read. `kind`: which one, such as `events.open`; `scope`: what it was about, by names such as `user`,
 * `conversation`, `from`; `reason`: the operator's own words.
 */
export const accessRecordedCodec = t.type({
  kind: t.string,
  reason: t.string,
  scope: t.record(t.string, t.string),
});
export type AccessRecorded = { readonly type: "AccessRecorded" } & EventContext &
  Readonly<t.TypeOf<typeof accessRecordedCodec>>;

/**
 * A run of an archive's export, told when its file is durable. It is of what stands after the position `after` (0, or an
 * event's) up to and with the event at `upTo`, in the log's incarnation `epoch`: runs of one format and scope of which
 * each begins where the one before ended tile the log. `events`, `root`: how many events that are, and the RFC 9162 root
 * hash (hex) over their canonical forms; of one conversation, those of its stream alone. `sha256`: of the file (hex).
 * `erased`: records with a text whose key is gone; `damaged`: what does not open though it was not erased.
 */
export const archiveExportedCodec = t.type({
  format: t.string,
  scope: t.record(t.string, t.string),
  reason: t.string,
  epoch: t.string,
  after: t.number,
  upTo: t.number,
  events: t.number,
  root: t.string,
  conversations: t.number,
  records: t.number,
  messages: t.number,
  erased: t.number,
  damaged: t.number,
  file: t.string,
  bytes: t.number,
  sha256: t.string,
});
export type ArchiveExported = { readonly type: "ArchiveExported" } & EventContext &
  Readonly<t.TypeOf<typeof archiveExportedCodec>>;

export type AccessEvent = AccessRecorded | ArchiveExported;

/** Equal for runs of one format and scope, which are to tile the log; incarnations apart. */
export const archiveKindOf = ({ format, scope }: Pick<ArchiveExported, "format" | "scope">): string =>
  JSON.stringify([format, Object.entries(scope).sort(([a], [b]) => (a < b ? -1 : 1))]);
