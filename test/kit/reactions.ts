import type { SealedReaction } from "../../src/domain/conversation/conversation.js";
import { emojiKey } from "../../src/domain/conversation/emoji.js";
import { unsealed } from "../../src/domain/kernel/sealed.js";

/** Sealing is off in the kits: what is sealed is the emoji itself. A digest looks like one, and tells what it is of. */
const digestOf = (key: string): string => `digest-of-${key}`;

/** What an event of today has of a reaction. */
export const emojiOf = (emoji: string) => ({ emoji: unsealed(emoji), digest: digestOf(emojiKey(emoji)) });

/** What an event of the version before is read as: `upcastReaction`. */
export const emojiBefore = (emoji: string) => ({ emoji: unsealed(emoji), digest: emojiKey(emoji) });

/** What a command of today brings. */
export const reactionWith = (emoji: string): { readonly emoji: string; readonly sealed: SealedReaction } => ({
  emoji,
  sealed: { emoji: unsealed(emoji), digestsOf: (key) => [digestOf(key), key] },
});
