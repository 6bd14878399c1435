/** The dead letters of a JetStream work queue: one message a job's id in a stream of their own. */
import type { StoredMsg } from "nats";
import type { DeadJob, WorkQueue } from "../../../projections/ports/work-queue.js";
import type { Link } from "./link.js";
import { isMessageAbsent } from "./streams.js";
import { deadJobOf, headersOf, tokenOf } from "./wire.js";

export const deadLetters = (link: Link): Pick<WorkQueue, "dead" | "redrive" | "removeDead"> => {
  const { ask, connection, manager, names } = link;
  const get = (query: { readonly last_by_subj: string } | { readonly seq: number }): Promise<StoredMsg | undefined> =>
    ask(() => found(manager.streams.getMessage(names.deadStream, query)));
  const ofId = (id: string): Promise<StoredMsg | undefined> => get({ last_by_subj: names.dead(id) });
  const next = (seq: number): Promise<StoredMsg | undefined> => {
    // The client's type does not know it: the first message at or after `seq`, whereas `seq` alone has to be there.
    const query = { seq, next_by_subj: names.deadAll };
    return get(query);
  };
  /** False when another was faster. */
  const remove = async ({ seq }: StoredMsg): Promise<boolean> =>
    (await ask(() => found(manager.streams.deleteMessage(names.deadStream, seq)))) ?? false;

  const redriveOne = async (letter: StoredMsg): Promise<boolean> => {
    const { id, payload } = deadJobOf(letter);
    // The job's own id would be a duplicate. This one is of the letter: a redrive that is repeated makes no second job.
    const msgId = `redrive.${tokenOf(id)}.${letter.seq}.${letter.time.getTime()}`;
    await ask(() => connection.jetstream().publish(names.jobs, payload, { headers: headersOf({ id }, msgId) }));
    return remove(letter);
  };
  const forEach = async (ids: readonly string[], act: (letter: StoredMsg) => Promise<boolean>): Promise<number> => {
    let count = 0;
    for (const id of ids) {
      const letter = await ofId(id);
      if (letter !== undefined && (await act(letter))) count++;
    }
    return count;
  };
  return {
    dead: async ({ after, limit }) => {
      const letters: DeadJob[] = [];
      let seq = after === undefined ? 0 : ((await ofId(after))?.seq ?? 0);
      while (letters.length < limit) {
        const letter = await next(seq + 1);
        if (letter === undefined) break;
        letters.push(deadJobOf(letter));
        ({ seq } = letter);
      }
      return letters;
    },
    redrive: (ids) => forEach(ids, redriveOne),
    removeDead: (ids) => forEach(ids, remove),
  };
};

/** Undefined for a message that is not there. */
const found = <A>(answer: Promise<A>): Promise<A | undefined> =>
  answer.catch((error: unknown) => {
    if (isMessageAbsent(error)) return undefined;
    throw error;
  });
