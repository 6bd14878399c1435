import { decodeConversationEvent, decodeReceiptsEvent } from "../../domain/catalogue.js";
import type { ConversationEvent } from "../../domain/conversation/conversation.events.js";
import { userIdOf } from "../../domain/kernel/by.js";
import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import type { Sealed } from "../../domain/kernel/sealed.js";
import {
  firstRevision,
  noRevision,
  revisionAfter,
  streamId,
  streamOf,
  type RecordedEvent,
} from "../../domain/kernel/stream.js";
import type { Bus, Delivery } from "../ports/bus.js";
import type { EventSource } from "../ports/event-source.js";
import type { OpenContent } from "../ports/open-content.js";
import type { Deletions } from "./deletions.js";
import { changeDeliveries, contentDeliveries, receiptDeliveries } from "./deliveries.js";
import { emojiContext, hasContent, isAboutMessage, isReaction } from "../frames/about-message.js";
import { visible, withEmoji, type Shown } from "../frames/frames.js";
import { openTexts, openTextsNow, textsOf } from "../frames/texts.js";
import type { ReadPrivacy } from "./read-privacy.js";
import { foldMembership, type Membership, type Memberships } from "./memberships.js";

export type FramesOfEventDependencies = {
  readonly source: EventSource;
  readonly bus: Pick<Bus, "connected">;
  readonly memberships: Memberships;
  readonly privacy: ReadPrivacy;
  readonly openNow: (context: string, sealed: Sealed) => string | undefined;
  readonly open: OpenContent;
};

/** The frames of an event of a conversation or of its receipts, and their recipients. */
export type FramesOfEvent = {
  /** From memory; undefined when something has to be read first. @throws UnreadableEvent */
  readonly now: (recorded: RecordedEvent, deleted: Deletions) => readonly Delivery[] | undefined;
  /** `deleted` is asked last, right before the frames are made. @throws UnreadableEvent, and what the log throws */
  readonly later: (recorded: RecordedEvent, deleted: () => Promise<Deletions>) => Promise<readonly Delivery[]>;
};

export const createFramesOfEvent = (deps: FramesOfEventDependencies): FramesOfEvent => {
  const { memberships, privacy, bus } = deps;
  const viewers = { connected: (userId: UserId) => bus.connected(userId), seesReads: privacy.known };

  const change = (recorded: RecordedEvent, event: ConversationEvent, before: Membership, shown: Shown) => {
    const conversationId = streamId(recorded.stream);
    const after = foldMembership(before, event);
    memberships.keep(conversationId, after);
    return changeDeliveries({ conversationId, event, pos: recorded.revision, before, after, shown });
  };

  const receipts = (membership: Membership, recorded: RecordedEvent) =>
    receiptDeliveries(membership, decodeReceiptsEvent(recorded), viewers);

  /** Receipts of a conversation of which no change came by yet: its membership as the log has it now. */
  const latest = async (id: ConversationId): Promise<Membership> => {
    const known = memberships.latest(id);
    if (known !== undefined) return known;
    const [newest] = await deps.source.readStream(streamOf.conversation(id), noRevision, 1, "backwards");
    return memberships.load(id, newest === undefined ? firstRevision : revisionAfter(newest.revision));
  };

  const receiptsLater = async (recorded: RecordedEvent): Promise<readonly Delivery[]> => {
    const membership = await latest(streamId(recorded.stream));
    let found = receipts(membership, recorded);
    for (; "unknown" in found; found = receipts(membership, recorded)) await privacy.load(found.unknown);
    return found;
  };

  return {
    now: (recorded, deleted) => {
      const id = streamId(recorded.stream);
      if (isReceipts(recorded)) {
        const membership = memberships.latest(id);
        const found = membership && receipts(membership, recorded);
        return found === undefined || "unknown" in found ? undefined : found;
      }
      const before = memberships.before(id, recorded.revision);
      if (before === undefined) return undefined;
      const event = decodeConversationEvent(recorded);
      // All day long it is this: what the lines below it would say, without the copies that they make.
      // Before its first event a conversation's membership is the one that all have: that is never changed in place.
      if (event.type === "MessageSent" && deleted.size === 0 && recorded.revision > 0) {
        const content = deps.openNow(event.messageId, event.content);
        if (content === undefined) return undefined;
        memberships.advance(before, event);
        return contentDeliveries(id, event, recorded.revision, before, content);
      }
      const shown = shownNow(deps, id, event, deleted);
      return shown && change(recorded, event, before, shown);
    },
    later: async (recorded, deleted) => {
      if (isReceipts(recorded)) return receiptsLater(recorded);
      const id = streamId(recorded.stream);
      const before = await memberships.load(id, recorded.revision);
      const event = decodeConversationEvent(recorded);
      const opened = await openedOf(deps, id, event);
      const emoji = isReaction(event)
        ? await deps.open(emojiContext(id, event), event.emoji, userIdOf(event.by))
        : null;
      const shown = shownOf(event, isAboutMessage(event) ? await deleted() : new Map());
      return change(recorded, event, before, withEmoji(shown ?? opened, emoji));
    },
  };
};

export const isReceipts = ({ stream }: Pick<RecordedEvent, "stream">): boolean => stream.startsWith("receipts-");

/** What can be said without opening anything, but for an emoji; undefined when there is something to be shown that is sealed. */
const shownOf = (event: ConversationEvent, deleted: Deletions): Shown | undefined => {
  if (textsOf(event) !== undefined) return undefined;
  if (!isAboutMessage(event) || event.type === "MessageDeleted") return visible;
  const deletedAt = deleted.get(event.messageId);
  if (deletedAt !== undefined) return { kind: "deleted", deletedAt };
  return hasContent(event) ? undefined : visible;
};

/** What is sealed, opened. */
const openedOf = async (
  { open }: Pick<FramesOfEventDependencies, "open">,
  conversationId: ConversationId,
  event: ConversationEvent,
): Promise<Shown> => {
  const texts = textsOf(event);
  if (texts !== undefined) return { kind: "texts", texts: await openTexts(open, conversationId, texts) };
  if (!hasContent(event)) return visible;
  const text = await open(event.messageId, event.content, userIdOf(event.by));
  // The key is gone: it was erased, and has no time of its own.
  return text === null ? { kind: "deleted", deletedAt: event.at, erased: true } : { kind: "content", text };
};

const shownNow = (
  { openNow }: Pick<FramesOfEventDependencies, "openNow">,
  conversationId: ConversationId,
  event: ConversationEvent,
  deleted: Deletions,
): Shown | undefined => {
  const sealed = textsOf(event);
  if (sealed !== undefined) {
    const texts = openTextsNow(openNow, conversationId, sealed);
    return texts && { kind: "texts", texts };
  }
  const shown = shownOf(event, deleted);
  if (isReaction(event)) {
    const emoji = openNow(emojiContext(conversationId, event), event.emoji);
    return emoji === undefined ? undefined : withEmoji(shown ?? visible, emoji);
  }
  if (shown !== undefined || !hasContent(event)) return shown;
  const text = openNow(event.messageId, event.content);
  return text === undefined ? undefined : { kind: "content", text };
};
