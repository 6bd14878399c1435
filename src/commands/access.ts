import type { ByOperator } from "../domain/kernel/by.js";
import { archiveKindOf, type AccessRecorded, type ArchiveExported } from "../domain/access.events.js";
import { decodeEvent, encodeEvent, type DomainEvent } from "../domain/catalogue.js";
import { streamEvents } from "../domain/kernel/stream-pages.js";
import { asRevision, noRevision, revisionAfter, streamOf, type Position } from "../domain/kernel/stream.js";
import type { Clock, EventLog, Ids } from "./ports.js";

type WithoutContext<E> = Omit<E, "type" | "id" | "at" | "by">;
/** What an operator is about to look into, and why. */
export type Access = WithoutContext<AccessRecorded>;
/** What was handed to an archive. */
export type ArchiveRun = WithoutContext<ArchiveExported>;

type Tell<A> = (what: A, by: ByOperator) => Promise<Position>;

/** Appends it, durable when this resolves: only then may anything be opened. Rejects with LogError. */
export const recordAccessIn =
  (log: Pick<EventLog, "append">, clock: Clock, ids: Ids): Tell<Access> =>
  async (access, by) => {
    const commandId = ids.uuid();
    const event: AccessRecorded = { type: "AccessRecorded", id: ids.uuid(), at: clock(), by, ...access };
    // At any revision: a repetition is one more line in a list, and never one less.
    const result = await log.append(streamOf.access, "any", [
      encodeEvent(event, { commandId, correlationId: commandId }),
    ]);
    if (result.kind === "conflict") throw new Error("an append at any revision met a conflict");
    return result.position;
  };

/** Another run was told of a stretch of the log that this one is of, after this one had looked what is there. */
export class ArchiveRefused extends Error {
  readonly code = "RUN_OVERLAPS";
  constructor(message: string) {
    super(message);
    this.name = "ArchiveRefused";
  }
}

/** `since`: the newest revision of the stream of accesses that the run knew when it chose its range; -1 for none. */
export type ToldRun = ArchiveRun & { readonly since: number };

/** Operators are few: so many of them in between are a loop. */
const triesMax = 100;

/**
 * Appends it, durable when this resolves, unless another run of its format and scope has been told of a part of its range
 * since it looked: of two at once one is told. Rejects with ArchiveRefused, LogError.
 */
export const recordArchiveIn =
  (log: Pick<EventLog, "append" | "readStream">, clock: Clock, ids: Ids): Tell<ToldRun> =>
  async ({ since, ...run }, by) => {
    const commandId = ids.uuid();
    const id = ids.uuid();
    let known = asRevision(since);
    for (let tries = 0; tries < triesMax; tries += 1) {
      for await (const recorded of streamEvents(log, streamOf.access, { from: revisionAfter(known) })) {
        known = recorded.revision;
        if (recorded.type === "ArchiveExported") refuseOverlap(run, decodeEvent(recorded));
      }
      const event = encodeEvent(
        { type: "ArchiveExported", id, at: clock(), by, ...run },
        { commandId, correlationId: commandId },
      );
      const expected = known === noRevision ? "no_stream" : known;
      const result = await log.append(streamOf.access, expected, [event]);
      if (result.kind === "appended") return result.position;
    }
    throw new Error(`others keep writing to ${streamOf.access}: run it again`);
  };

const refuseOverlap = (run: ArchiveRun, other: DomainEvent): void => {
  if (other.type !== "ArchiveExported" || other.epoch !== run.epoch) return;
  if (archiveKindOf(other) !== archiveKindOf(run)) return;
  if (other.upTo <= run.after || other.after >= run.upTo) return;
  throw new ArchiveRefused(
    `another run of this format and scope was at work at the same time, and ended first: it is of what is after ${other.after}, up to ${other.upTo} (${other.file}). Run it again: it goes on from there`,
  );
};
