import type { ByOperator } from "../domain/kernel/by.js";
import type { AccessEvent, AccessRecorded, ArchiveExported } from "../domain/access.events.js";
import { encodeEvent } from "../domain/catalogue.js";
import { streamOf, type Position } from "../domain/kernel/stream.js";
import type { Clock, EventLog, Ids } from "./ports.js";

type WithoutContext<E> = Omit<E, "type" | "id" | "at" | "by">;
/** What an operator is about to look into, and why. */
export type Access = WithoutContext<AccessRecorded>;
/** What was handed to an archive. */
export type ArchiveRun = WithoutContext<ArchiveExported>;

type Tell<A> = (what: A, by: ByOperator) => Promise<Position>;

/** Appends it, durable when this resolves: only then may anything be opened. Rejects with LogError. */
export const recordAccessIn = (log: Pick<EventLog, "append">, clock: Clock, ids: Ids): Tell<Access> => {
  const append = appendingTo(log, ids);
  return (access, by) => append({ type: "AccessRecorded", id: ids.uuid(), at: clock(), by, ...access });
};

/** Appends it, durable when this resolves. Rejects with LogError. */
export const recordArchiveIn = (log: Pick<EventLog, "append">, clock: Clock, ids: Ids): Tell<ArchiveRun> => {
  const append = appendingTo(log, ids);
  return (run, by) => append({ type: "ArchiveExported", id: ids.uuid(), at: clock(), by, ...run });
};

const appendingTo =
  (log: Pick<EventLog, "append">, ids: Ids) =>
  async (event: AccessEvent): Promise<Position> => {
    const commandId = ids.uuid();
    // A repetition is one more line in a list, and never one less.
    const result = await log.append(streamOf.access, "any", [
      encodeEvent(event, { commandId, correlationId: commandId }),
    ]);
    if (result.kind === "conflict") throw new Error("an append at any revision met a conflict");
    return result.position;
  };
