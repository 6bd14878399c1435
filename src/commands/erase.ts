import type { ByOperator } from "../domain/kernel/by.js";
import { decodeUserEvent, encodeEvent } from "../domain/catalogue.js";
import { E } from "../domain/kernel/fp.js";
import type { UserId } from "../domain/kernel/ids.js";
import { noRevision, streamOf } from "../domain/kernel/stream.js";
import { streamEvents } from "../domain/kernel/stream-pages.js";
import { user } from "../domain/user/user.decide.js";
import type { Clock, EventLog, Ids } from "./ports.js";

/** Others write to a user's stream seldom. */
const triesMax = 10;

/**
 * `Commands.eraseUser` for a process that serves nobody: the stream is read, decided on and written to, without a queue or a
 * state in memory. Rejects with the refusal's text, and with LogError.
 */
export const eraseUserIn =
  (log: Pick<EventLog, "readStream" | "append">, clock: Clock, ids: Ids) =>
  async ({ userId, reason, by }: { userId: UserId; reason: string; by: ByOperator }): Promise<void> => {
    const stream = streamOf.user(userId);
    for (let tries = 0; tries < triesMax; tries += 1) {
      let [state, revision] = [user.initial(), noRevision];
      for await (const event of streamEvents(log, stream)) {
        state = user.evolve(state, decodeUserEvent(event));
        ({ revision } = event);
      }
      const commandId = ids.uuid();
      const context = { commandId, correlationId: commandId, now: clock(), by };
      const decided = user.decide(state, { type: "EraseUser", reason, context }, undefined);
      if (E.isLeft(decided)) throw new Error(decided.left.message);
      if (decided.right.length === 0) return;
      const events = decided.right.map((event) => encodeEvent(event, context));
      if ((await log.append(stream, revision, events)).kind === "appended") return;
    }
    throw new Error(`others keep writing to ${stream}: run it again`);
  };
