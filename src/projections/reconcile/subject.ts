import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { streamOf, type StreamName } from "../../domain/kernel/stream.js";
import type { RowsAsked } from "../ports/stored-rows.js";
import type { ViewChange, ViewName } from "../view-change.js";

/**
 * Whose rows: a conversation's, of it only those of one user where `only` names one, or a user's own; of these only those of
 * `views`, where it names some.
 */
export type Subject = (
  | { readonly kind: "conversation"; readonly conversationId: ConversationId; readonly only?: UserId }
  | { readonly kind: "user"; readonly userId: UserId }
) & { readonly views?: readonly ViewName[] };

/** Sequences, both inclusive: a conversation is looked at in as many windows as its rows need. */
export type Window = { readonly from: number; readonly to: number };

export const whole: Window = { from: 0, to: Number.MAX_SAFE_INTEGER };

/** Where in its key a row says which sequence it is of. */
const sequenceIn: Partial<Record<ViewName, number>> = { messages: 1, reactions: 1, receiptSteps: 3 };

/** The sequence that a row is of; undefined for one that is looked at with the first window. */
export const sequenceOf = ({ view, key }: Pick<ViewChange, "view" | "key">): number | undefined => {
  const at = sequenceIn[view];
  return at === undefined ? undefined : Number(key[at]);
};

const ofConversation = new Set<ViewName>([
  "conversations",
  "members",
  "memberships",
  "messages",
  "reactions",
  "receiptSteps",
]);
/** Of a conversation's, those that are of one user, named second in their key. */
const ofOne: readonly ViewName[] = ["members", "memberships", "receiptSteps"];

/** Whether a row is the subject's. */
export const concernsSubject = (subject: Subject, { view, key }: Pick<ViewChange, "view" | "key">): boolean => {
  if (subject.views?.includes(view) === false) return false;
  if (subject.kind === "user") return (view === "users" || view === "devices") && key[0] === subject.userId;
  if (!ofConversation.has(view) || key[0] !== subject.conversationId) return false;
  return subject.only === undefined || view === "conversations" || (ofOne.includes(view) && key[1] === subject.only);
};

/** The streams of which all is the subject's; of members' own streams only what they prefer in the conversation is. */
export const streamsOf = (subject: Subject): readonly StreamName[] =>
  subject.kind === "user"
    ? [streamOf.user(subject.userId)]
    : [streamOf.conversation(subject.conversationId), streamOf.receipts(subject.conversationId)];

/** The stored rows of a window; those without a sequence come with the first one. */
export const rowsAsked = (subject: Subject, window: Window): readonly RowsAsked[] =>
  rowsOfAll(subject, window).filter(({ view }) => subject.views?.includes(view) !== false);

const rowsOfAll = (subject: Subject, window: Window): readonly RowsAsked[] => {
  const isFirst = window.from === 0;
  if (subject.kind === "user") {
    const views: readonly ViewName[] = isFirst ? ["users", "devices"] : [];
    return views.map((view) => ({ view, under: [subject.userId] }));
  }
  const { conversationId, only } = subject;
  return [...ofConversation]
    .filter((view) => isFirst || sequenceIn[view] !== undefined)
    .filter((view) => only === undefined || view === "conversations" || ofOne.includes(view))
    .map((view) => ({
      view,
      under: only === undefined || view === "conversations" ? [conversationId] : [conversationId, only],
      ...(sequenceIn[view] === undefined ? {} : { window }),
    }));
};
