import type { React, SealedReaction } from "../../domain/conversation/conversation.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { sealedAs } from "../../domain/kernel/sealed.js";
import { digestUnkeyed, type Digester, type Sealing } from "./sealing.js";

type Named = Pick<React, "messageId" | "emoji"> & { readonly conversationId: ConversationId; readonly userId: UserId };

/**
 * A reaction's emoji is sealed under the profile key of its user, and told apart by a digest under the conversation's key.
 * That key is nobody's own: it is only made for a member, lest guessed ids fill the key store. So a command is sealed on
 * its way to the queue where both keys are in memory, and else when its turn has come.
 */
export const sealReactionNow = (sealing: Sealing, named: Named): SealedReaction | undefined => {
  const { profile, conversation } = keysOf(named);
  if (!sealing.isAtHand(profile) || !sealing.isAtHand(conversation)) return undefined;
  const sealed = sealReaction(sealing, named);
  return sealed instanceof Promise ? undefined : sealed;
};

/** Makes the keys where there are none: only then a promise. */
export const sealReaction = (sealing: Sealing, named: Named): SealedReaction | Promise<SealedReaction> => {
  const { conversationId, messageId, userId } = named;
  const { profile, conversation } = keysOf(named);
  const emoji = sealing.seal(named.emoji, {
    key: profile,
    context: sealedAs.emoji(conversationId, messageId, userId),
  });
  const digester = sealing.digester(conversation);
  const context = sealedAs.reaction(conversationId, messageId);
  return emoji instanceof Promise || digester instanceof Promise
    ? Promise.all([emoji, digester]).then(([sealed, keyed]) => ({ emoji: sealed, digestsOf: formsOf(keyed, context) }))
    : { emoji, digestsOf: formsOf(digester, context) };
};

const keysOf = ({ conversationId, userId }: Named) => ({
  profile: { of: "profile", userId } as const,
  conversation: { of: "conversation", conversationId } as const,
});

/** As it is written today; as where sealing was off; as the version before wrote it. */
const formsOf =
  (keyed: Digester, context: string): SealedReaction["digestsOf"] =>
  (key) => {
    const today = keyed(key, context);
    const unkeyed = digestUnkeyed(key, context);
    return unkeyed === today ? [today, key] : [today, unkeyed, key];
  };
