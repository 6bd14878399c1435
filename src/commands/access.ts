import type { ByOperator } from "../domain/kernel/by.js";
import type { AccessRecorded } from "../domain/access.events.js";
import { encodeEvent } from "../domain/catalogue.js";
import { streamOf, type Position } from "../domain/kernel/stream.js";
import type { Clock, EventLog, Ids } from "./ports.js";

/** What an operator is about to look into, and why. */
export type Access = Pick<AccessRecorded, "kind" | "reason" | "scope">;

/** Appends it, durable when this resolves: only then may anything be opened. Rejects with LogError. */
export const recordAccessIn =
  (log: Pick<EventLog, "append">, clock: Clock, ids: Ids) =>
  async (access: Access, by: ByOperator): Promise<Position> => {
    const commandId = ids.uuid();
    const event: AccessRecorded = { type: "AccessRecorded", id: ids.uuid(), at: clock(), by, ...access };
    // A repetition is one more line in a list of accesses, and never one less.
    const result = await log.append(streamOf.access, "any", [
      encodeEvent(event, { commandId, correlationId: commandId }),
    ]);
    if (result.kind === "conflict") throw new Error("an append at any revision met a conflict");
    return result.position;
  };
