import {
  emptyConversation,
  isGapped,
  type ConversationEffect,
  type ConversationInput,
  type ConversationState,
  type Me,
  type Step,
} from "./conversation.js";
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
  /** Another epoch: nothing of the old one counts. Own unacknowledged messages stay. */
  readonly drop: () => void;
};

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
      const before = conversations.get(conversationId);
      let stepped: Step;
      try {
        stepped = step(before ?? emptyConversation(conversationId), input, me);
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
    drop: () => {
      gapped.clear();
      unreadEstimated.clear();
      for (const [conversationId, { pending }] of conversations) {
        const waiting = pending.filter(({ status }) => status.kind !== "accepted");
        if (waiting.length === 0) conversations.delete(conversationId);
        else conversations.set(conversationId, { ...emptyConversation(conversationId), pending: waiting });
      }
    },
  };
}
