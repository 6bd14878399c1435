import type { SealedAnew } from "../../domain/conversation/conversation.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { sealedAs, type SealedText } from "../../domain/kernel/sealed.js";
import type { Sealing } from "./sealing.js";

type Texts<T> = { readonly name?: T; readonly description?: T };

/** What a group is called, sealed under its own key: the user who named it may be erased, and the group keeps its name. */
export const sealTexts = async (
  sealing: Pick<Sealing, "sealText">,
  conversationId: ConversationId,
  { name, description }: Texts<string>,
): Promise<Texts<SealedText>> => {
  const key = { of: "conversation", conversationId } as const;
  const [sealedName, sealedDescription] = await Promise.all([
    name === undefined ? undefined : sealing.sealText(name, { key, context: sealedAs.name(conversationId) }),
    description === undefined
      ? undefined
      : sealing.sealText(description, { key, context: sealedAs.description(conversationId) }),
  ]);
  return {
    ...(sealedName === undefined ? {} : { name: sealedName }),
    ...(sealedDescription === undefined ? {} : { description: sealedDescription }),
  };
};

/** Those of before that stand in plain text, each with what it is sealed. Undefined where there are none: as a rule. */
export const sealPlainTexts = (
  sealing: Pick<Sealing, "sealText">,
  conversationId: ConversationId,
  { name, description }: Texts<SealedText>,
): Promise<Texts<SealedAnew>> | undefined => {
  const plain = { ...plainOf("name", name), ...plainOf("description", description) };
  if (plain.name === undefined && plain.description === undefined) return undefined;
  return sealTexts(sealing, conversationId, plain).then((sealed) => ({
    ...(plain.name === undefined || sealed.name === undefined
      ? {}
      : { name: { plain: plain.name, text: sealed.name } }),
    ...(plain.description === undefined || sealed.description === undefined
      ? {}
      : { description: { plain: plain.description, text: sealed.description } }),
  }));
};

/** With a digest it was written while sealing was off. */
const plainOf = (field: keyof Texts<string>, text: SealedText | undefined): Texts<string> =>
  text?.alg === "none" && text.data !== "" ? { [field]: text.data } : {};

/** A user's display name under the profile key; null takes it away. */
export const sealDisplayName = async (
  sealing: Pick<Sealing, "sealText">,
  userId: UserId,
  displayName: string | null,
): Promise<SealedText | null> =>
  displayName === null
    ? null
    : sealing.sealText(displayName, { key: { of: "profile", userId }, context: sealedAs.displayName(userId) });
