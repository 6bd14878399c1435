import type { ConversationEvent, ConversationProfile } from "../../domain/conversation/conversation.events.js";
import type { ConversationId } from "../../domain/kernel/ids.js";
import { sealedAs, type Sealed } from "../../domain/kernel/sealed.js";
import type { OpenContent } from "../ports/open-content.js";

/** What a conversation is called. Each is left out where it is not set, and where its key is gone. */
export type Texts = { readonly name?: string; readonly description?: string };

/** Null or undefined: not set. */
export type SealedTexts = {
  readonly name?: Sealed | null | undefined;
  readonly description?: Sealed | null | undefined;
};

/** The texts that an event's frame shows; undefined for one whose frame has none. */
export const textsOf = (event: ConversationEvent): Pick<ConversationProfile, "name" | "description"> | undefined => {
  if (event.type === "MemberJoined") return event.profile;
  return event.type === "SettingsChanged" ? event.changes : undefined;
};

/** Together: all keys are asked for at once. */
export const openTexts = async (
  open: OpenContent,
  conversationId: ConversationId,
  sealed: SealedTexts,
): Promise<Texts> => {
  const { name, description } = sealed;
  const [openedName, openedDescription] = await Promise.all([
    name && open(sealedAs.name(conversationId), name, undefined),
    description && open(sealedAs.description(conversationId), description, undefined),
  ]);
  return textsWith(openedName, openedDescription);
};

/** The same from memory; undefined when something has to be read first. */
export const openTextsNow = (
  openNow: (context: string, sealed: Sealed) => string | undefined,
  conversationId: ConversationId,
  { name, description }: SealedTexts,
): Texts | undefined => {
  const openedName = name && openNow(sealedAs.name(conversationId), name);
  const openedDescription = description && openNow(sealedAs.description(conversationId), description);
  if ((name && openedName === undefined) || (description && openedDescription === undefined)) return undefined;
  return textsWith(openedName, openedDescription);
};

const textsWith = (name: string | null | undefined, description: string | null | undefined): Texts => ({
  ...(typeof name === "string" ? { name } : {}),
  ...(typeof description === "string" ? { description } : {}),
});
