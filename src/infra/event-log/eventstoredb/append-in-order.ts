/**
 * Appends to several streams that are to be stored in the order in which they are given. EventStoreDB promises that of one
 * stream only; its leader however takes what comes on one call one after another. So these travel on one call to the
 * leader, and when one has failed none that comes later is sent. Whoever needs the order looks at the positions as well.
 */
import { LogError, type EventLog } from "../../../commands/ports.js";
import { answerWithin } from "./append.js";
import { openAppendCall } from "./call.js";
import type { ClientInternals } from "./client.js";
import { appendRequest, sizeOf } from "./request.js";

export type OrderedAppends = {
  /** As `EventLog.append`. `UNAVAILABLE` for what was not sent since one before it has failed. */
  readonly append: EventLog["append"];
  /** What is under way is still answered. */
  readonly close: () => void;
};

export type OrderedOptions = {
  readonly internals: ClientInternals;
  readonly target: string;
  readonly timeoutMs: number;
  /** Resolves when the client's channel leads to the leader. */
  readonly atLeader: () => Promise<unknown>;
};

/** The caller bounds what waits for an answer. */
export const openOrderedAppends = (options: OrderedOptions): OrderedAppends => {
  const { internals, target, timeoutMs, atLeader } = options;
  const opening = atLeader().then(() => openAppendCall(internals, target, { requiresLeader: true }));
  // Each append says it. The first may come later than that: nobody listens yet, and Node would end the process.
  opening.catch(() => undefined);
  let failed = false;
  let correlation = 0;
  return {
    append: async (stream, expected, events) => {
      sizeOf(events);
      const id = correlation++;
      const request = appendRequest(id, stream, expected, events);
      try {
        return await answerWithin({ current: () => opening }, timeoutMs, target, id, (call, settle) => {
          if (failed || !call.usable()) {
            settle(new LogError("UNAVAILABLE", "it was not sent: an append before it has failed"));
            return;
          }
          call.send(id, request, (answer) => {
            // At once: what waits in this turn must not be sent any more.
            if (answer instanceof LogError) call.retire();
            settle(answer);
          });
        });
      } catch (error) {
        failed = true;
        throw error;
      }
    },
    close: () => {
      // Where none was opened each append has said why.
      opening.then(
        (call) => {
          call.retire();
        },
        () => undefined,
      );
    },
  };
};
