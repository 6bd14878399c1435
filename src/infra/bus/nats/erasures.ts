/** Who is erased is told to every process of the cell, so that none keeps that user's keys in memory. May be lost. */
import { createInbox, type NatsConnection, type Subscription } from "nats";
import type { UserId } from "../../../domain/kernel/ids.js";
import { pause } from "../../../lib/time.js";
import { listen, type Nats } from "../../engines/nats.js";
import { decodeErased, decodeForgotten, encodeSmall, subjectsOf } from "./subjects.js";

type Hearing = {
  readonly nats: Nats;
  readonly cell: string;
  readonly processId: string;
  /** The answer says that it is done when this returns. */
  readonly onErased: (userId: UserId) => void;
  /** The connection was lost for a while: erasures may have been told meanwhile. */
  readonly onMissed: () => void;
  readonly onProblem: (error: Error) => void;
};

/** Hears of erasures as long as the connection lives. Answers what ends that. */
export const hearErasures = ({ nats, cell, processId, onErased, onMissed, onProblem }: Hearing): (() => void) => {
  const { erased: subject } = subjectsOf(cell);
  let subscription: Subscription | undefined;
  let stopped = false;
  const start = (connection: NatsConnection): void => {
    if (stopped) return;
    const onMessage = (data: Uint8Array, reply: (data: Uint8Array) => void): void => {
      const erased = decodeErased(data);
      if (erased === undefined) {
        onProblem(new Error(`${subject}: it cannot be read`));
        return;
      }
      onErased(erased.userId);
      reply(encodeSmall({ processId }));
    };
    subscription = listen(connection, subject, onMessage, onProblem);
  };
  const current = nats.current();
  if (current !== undefined) start(current);
  // Rejects only when it is closed before it was there.
  else nats.connection.then(start).catch(onProblem);
  const offReconnect = nats.onReconnect(onMissed);
  return () => {
    stopped = true;
    offReconnect();
    if (subscription?.isClosed() === false) subscription.unsubscribe();
  };
};

/** Tells all processes that hear, and waits for none. */
export const publishErasure = (nats: Nats, cell: string, userId: UserId): void => {
  if (nats.connected()) nats.current()?.publish(subjectsOf(cell).erased, encodeSmall({ userId }));
};

/**
 * Tells all processes that hear, and waits `answersMs` for what they say.
 * @returns the processes that have forgotten the user's keys
 * @throws (rejects) the client's error when NATS is lost meanwhile
 */
export const tellErasure = async (
  connection: NatsConnection,
  { cell, userId, answersMs }: { readonly cell: string; readonly userId: UserId; readonly answersMs: number },
): Promise<readonly string[]> => {
  const forgotten = new Set<string>();
  const inbox = createInbox();
  const subscription = connection.subscribe(inbox, {
    callback: (error, message) => {
      const answer = error === null ? decodeForgotten(message.data) : undefined;
      if (answer !== undefined) forgotten.add(answer.processId);
    },
  });
  connection.publish(subjectsOf(cell).erased, encodeSmall({ userId }), { reply: inbox });
  try {
    await connection.flush();
    await pause(answersMs);
  } finally {
    subscription.unsubscribe();
  }
  return [...forgotten];
};
