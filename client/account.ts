import {
  emptyConversation,
  isGapped,
  type ConversationEffect,
  type ConversationInput,
  type ConversationState,
  type Me,
  type Step,
} from "./conversation.js";
import { inputWithout, withoutUser } from "./erased.js";
import { asParleyError, type ParleyError } from "./errors.js";
import { step } from "./reducer.js";

/** All conversations of this device: the only mutable thing that holds them, and the only caller of the reducer. */
export type Account = {
  readonly conversations: ReadonlyMap<string, ConversationState>;
  readonly me: () => Me;
  readonly become: (me: Me) => void;
  /** false, and nothing has changed: the input has another shape than its kind. That is reported. */
  readonly apply: (conversationId: string, input: ConversationInput) => boolean;
  /** Conversations with a gap, to be healed by sync. */
  readonly gapped: ReadonlySet<string>;
  /** Conversations whose unread count may be wrong: the server is asked for its own. */
  readonly unreadEstimated: ReadonlySet<string>;
  /** Users of whom nothing is kept any more, and nothing taken: at most the newest 10,000. */
  readonly erased: ReadonlySet<string>;
  readonly erase: (userId: string) => void;
  /** The own user is no more: nothing stays, not even what was not sent, and nothing comes any more. */
  readonly forget: () => void;
  /** Another epoch: nothing of the old one counts. Own unacknowledged messages stay. */
  readonly drop: () => void;
};

/** Ids of 128 characters at most: some 2 MB. What comes of the oldest is old by then, and without content. */
const erasedMax = 10_000;

export function createAccount(
  onStep: (
    conversation: ConversationState,
    effects: readonly ConversationEffect[],
    before: ConversationState | undefined,
  ) => void,
  onError: (error: ParleyError) => void,
): Account {
  const conversations = new Map<string, ConversationState>();
  const gapped = new Set<string>();
  const unreadEstimated = new Set<string>();
  const erased = new Set<string>();
  let forgotten = false;
  const clear = (): void => {
    gapped.clear();
    unreadEstimated.clear();
    erased.clear();
  };
  let me: Me = { userId: "", deviceId: "" };
  return {
    conversations,
    gapped,
    unreadEstimated,
    me: () => me,
    become: (next) => {
      me = next;
    },
    apply: (conversationId, input) => {
      if (forgotten) return true;
      const before = conversations.get(conversationId);
      let stepped: Step;
      try {
        stepped = step(before ?? emptyConversation(conversationId), inputWithout(input, erased), me);
      } catch (thrown) {
        onError(asParleyError(thrown, "PROTOCOL", `what came for ${conversationId} has another shape than its type`));
        return false;
      }
      const { conversation, effects } = stepped;
      conversations.set(conversationId, conversation);
      if (isGapped(conversation)) gapped.add(conversationId);
      else gapped.delete(conversationId);
      if (conversation.unreadEstimated) unreadEstimated.add(conversationId);
      else unreadEstimated.delete(conversationId);
      onStep(conversation, effects, before);
      return true;
    },
    erased,
    erase: (userId) => {
      erased.delete(userId);
      erased.add(userId);
      const [oldest] = erased;
      if (erased.size > erasedMax && oldest !== undefined) erased.delete(oldest);
      for (const [conversationId, conversation] of conversations)
        conversations.set(conversationId, withoutUser(conversation, userId));
    },
    forget: () => {
      forgotten = true;
      clear();
      conversations.clear();
    },
    drop: () => {
      clear();
      for (const [conversationId, { pending }] of conversations) {
        const waiting = pending.filter(({ status }) => status.kind !== "accepted");
        if (waiting.length === 0) conversations.delete(conversationId);
        else conversations.set(conversationId, { ...emptyConversation(conversationId), pending: waiting });
      }
    },
  };
}
