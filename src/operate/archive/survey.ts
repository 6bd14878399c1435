import { isLeaf, canonicalOf } from "../../audit/canonical.js";
import { joinedBy } from "../../audit/export/selection.js";
import type { PositionRange } from "../../audit/archive/range.js";
import { growTree, leafHash } from "../../audit/merkle.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import { firstRevision, noPosition, streamId, streamOf, type RecordedEvent } from "../../domain/kernel/stream.js";
import { streamEvents } from "../../domain/kernel/stream-pages.js";
import { pagesOf } from "../pages.js";
import type { LogToRead } from "../target.js";

/** What an archive is of: all conversations, one, or those that a user was in. */
export type ArchiveScope = { readonly conversation?: ConversationId; readonly user?: UserId };

/** What there is to archive in a range, known before anything is written. */
export type Survey = {
  /** In the order in which they first happen there. Some hundred bytes each, and all that grows with the range. */
  readonly conversations: readonly ConversationId[];
  readonly events: number;
  /** RFC 9162 root hash over the canonical events: of the range, or of the one conversation's stream in it. */
  readonly root: string;
};

/** @throws (rejects) Error for a conversation or a user that the log does not know */
export const surveyOf = async (
  log: LogToRead,
  range: PositionRange,
  scope: ArchiveScope,
  onProgress: (done: number, of: number) => void,
): Promise<Survey> => {
  const { conversation, user } = scope;
  if (conversation !== undefined) return surveyConversation(log, range, conversation);
  if (user !== undefined && (await log.readStream(streamOf.user(user), firstRevision, 1)).length === 0)
    throw new Error(`There is no user ${user} in the log`);
  const tree = growTree();
  const found = new Set<ConversationId>();
  // Where somebody is a member is told by any event before.
  for await (const page of pagesOf(log, user === undefined ? range.after : noPosition, range.upTo)) {
    for (const event of page) {
      const joined = user === undefined ? conversationOf(event) : joinedBy(event, user);
      if (joined !== undefined) found.add(joined);
      if (event.position > range.after && isLeaf(event.stream)) tree.push(leafHash(canonicalOf(event)));
    }
    onProgress(page.at(-1)?.position ?? range.after, range.upTo);
  }
  return { conversations: [...found], events: tree.size(), root: tree.root().toString("hex") };
};

const conversationOf = ({ stream }: RecordedEvent): ConversationId | undefined =>
  stream.startsWith("conversation-") ? streamId(stream) : undefined;

const surveyConversation = async (log: LogToRead, range: PositionRange, id: ConversationId): Promise<Survey> => {
  const tree = growTree();
  const stream = streamOf.conversation(id);
  if ((await log.readStream(stream, firstRevision, 1)).length === 0)
    throw new Error(`There is no conversation ${id} in the log`);
  for await (const event of streamEvents(log, stream, { upTo: range.upTo }))
    if (event.position > range.after) tree.push(leafHash(canonicalOf(event)));
  return { conversations: [id], events: tree.size(), root: tree.root().toString("hex") };
};
