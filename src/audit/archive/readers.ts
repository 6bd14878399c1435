import type { Conversation, Started } from "../../domain/conversation/conversation.js";
import type { Sequence, UserId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { People } from "./people.js";
import type { Person } from "./record.js";

/**
 * Who may see a message, of those who are members at that moment. As long as nobody comes, goes or changes their name the
 * answer is the same list, so that a thousand members of a group are not looked up again for each of its messages.
 */
export const createReaders = (people: People) => {
  let members: Started["members"] | undefined;
  let all: readonly Person[] = [];
  /** From this sequence on every member may see; and the names are as they were until that position. */
  let allFrom = 0;
  let until = 0;

  const load = async (state: Started, position: Position): Promise<void> => {
    if (members === state.members && position < until) return;
    members = state.members;
    allFrom = 0;
    until = Infinity;
    const found: Person[] = [];
    for (const [userId, member] of state.members) {
      const then = await people.at(userId, position);
      found.push(then.person);
      until = Math.min(until, then.until);
      allFrom = Math.max(allFrom, member.visible.at(-1)?.from ?? Infinity);
    }
    all = found;
  };

  return {
    /** The members of that moment. */
    present: async (state: Conversation, position: Position): Promise<readonly Person[]> => {
      if (state.situation === "absent") return [];
      await load(state, position);
      return all;
    },
    of: async (state: Conversation, sequence: Sequence, position: Position): Promise<readonly Person[]> => {
      if (state.situation === "absent") return [];
      await load(state, position);
      return sequence >= allFrom ? all : all.filter(({ userId }) => maySee(state, userId, sequence));
    },
  };
};

const maySee = (state: Started, userId: UserId, sequence: Sequence): boolean =>
  state.members.get(userId)?.visible.some(({ from, to }) => from <= sequence && sequence < to) === true;
