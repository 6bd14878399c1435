import { reactionKey } from "../../domain/conversation/amendments.js";
import type { MessageIndex } from "../../commands/ports.js";
import type { ViewReads } from "../../projections/ports/view-store.js";
import { noRevision } from "../../domain/kernel/stream.js";

/** The messages view as commands ask it. Views that cannot answer cover nothing: the caller reads the stream then. */
export const messageIndex = (reads: Pick<ViewReads, "messageById">): MessageIndex => ({
  find: (conversationId, messageId) =>
    reads.messageById(conversationId, messageId).then(
      ({ coversTo, message, reactions }) => ({
        coversTo,
        message: message && {
          messageId: message.messageId,
          sequence: message.sequence,
          pos: message.pos,
          at: message.at,
          senderId: message.senderId,
          contentType: message.contentType,
          deleted: message.deletedAt !== null,
          digest: message.editDigest ?? undefined,
          reactions: reactions.map(({ digest, userId }) => reactionKey(digest, userId)),
        },
      }),
      // No view's failure stops acceptance. It is not lost: the views report it themselves (`failed`, readiness).
      () => ({ coversTo: noRevision, message: null }),
    ),
});
