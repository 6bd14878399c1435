/** Whose rows a reconcile is about, found in the log alone. */
import { createHash } from "node:crypto";
import { decodeConversationEvent } from "../../domain/catalogue.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { asPosition, noPosition, streamId, type RecordedEvent } from "../../domain/kernel/stream.js";
import type { Subject } from "../../projections/reconcile/subject.js";
import { pagesOf } from "../pages.js";
import type { LogToRead } from "../target.js";

/** `rate`: share of all conversations and users, above 0 and at most 1. The same seed chooses the same. */
export type Chosen =
  | { readonly user: UserId }
  | { readonly conversation: ConversationId }
  | { readonly rate: number; readonly seed: string };

type OnProgress = (done: number, of: number) => void;

/** Subjects as they are found; those of a user and of a sample by a walk through the whole log. */
export async function* subjectsOf(log: LogToRead, chosen: Chosen, onProgress: OnProgress): AsyncGenerator<Subject> {
  if ("conversation" in chosen) {
    yield { kind: "conversation", conversationId: chosen.conversation };
    return;
  }
  if ("user" in chosen) yield { kind: "user", userId: chosen.user };
  const of = await log.head();
  const seen = new Set<ConversationId>();
  for await (const page of pagesOf(log, noPosition, asPosition(of))) {
    for (const recorded of page) {
      const subject = "user" in chosen ? joinedIn(recorded, chosen.user, seen) : sampledIn(recorded, chosen);
      if (subject !== undefined) yield subject;
    }
    onProgress(page.at(-1)?.position ?? of, of);
  }
}

/** A conversation that the user joins, the first time. */
const joinedIn = (recorded: RecordedEvent, userId: UserId, seen: Set<ConversationId>): Subject | undefined => {
  if (recorded.type !== "MemberJoined" || !recorded.data.includes(JSON.stringify(userId))) return undefined;
  const conversationId = streamId(recorded.stream);
  if (seen.has(conversationId)) return undefined;
  const event = decodeConversationEvent(recorded);
  if (event.type !== "MemberJoined" || !event.members.some((member) => member.userId === userId)) return undefined;
  seen.add(conversationId);
  return { kind: "conversation", conversationId, only: userId };
};

/** By a stream's first event, so that each is asked once. */
const sampledIn = (
  { stream, revision }: RecordedEvent,
  { rate, seed }: Extract<Chosen, { readonly rate: number }>,
): Subject | undefined => {
  if (revision !== 0) return undefined;
  const isConversation = stream.startsWith("conversation-");
  if (!isConversation && !stream.startsWith("user-")) return undefined;
  const hash = createHash("sha256").update(`${seed} ${stream}`).digest().readUInt32BE();
  if (hash >= rate * 2 ** 32) return undefined;
  return isConversation
    ? { kind: "conversation", conversationId: streamId(stream) }
    : { kind: "user", userId: streamId(stream) };
};
