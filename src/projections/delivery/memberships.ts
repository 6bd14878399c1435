import { LRUCache } from "lru-cache";
import { decodeConversationEvent } from "../../domain/catalogue.js";
import type {
  ConversationEvent,
  ConversationKind,
  MemberJoined,
  MessageSent,
} from "../../domain/conversation/conversation.events.js";
import type { Started } from "../../domain/conversation/conversation.js";
import type { ConversationId, Sequence, UserId } from "../../domain/kernel/ids.js";
import { noRevision, revisionAfter, streamOf, type EventId, type Revision } from "../../domain/kernel/stream.js";
import { streamPageEvents, streamPages } from "../../domain/kernel/stream-pages.js";
import type { Writable } from "../../domain/kernel/writable.js";
import type { EventSource } from "../ports/event-source.js";

/** Sequences from `from` up to, not including, `to`. */
export type Visible = { readonly from: Sequence; readonly to: Sequence };

/** Which users get what: folded by delivery itself, since a view that lags must never decide who sees a message. */
export type Membership = {
  readonly kind: ConversationKind;
  /** What each present member may see, of all their memberships. Members who joined together share one array. */
  readonly members: ReadonlyMap<UserId, readonly Visible[]>;
  /** What former members could see: they see it again when they come back. */
  readonly former: ReadonlyMap<UserId, readonly Visible[]>;
  readonly lastSequence: Sequence;
  /** Of the last event folded in. */
  readonly revision: Revision;
};

const nobody: Omit<Membership, "revision" | "kind"> = { members: new Map(), former: new Map(), lastSequence: 0 };
const none: Membership = { kind: "group", ...nobody, revision: noRevision };

export const maySee = ({ members }: Membership, userId: UserId, sequence: Sequence): boolean =>
  members.get(userId)?.some(({ from, to }) => from <= sequence && sequence < to) === true;

export const foldMembership = (before: Membership, event: ConversationEvent): Membership => {
  const revision = revisionAfter(before.revision);
  switch (event.type) {
    case "ConversationStarted":
      return { kind: event.profile.kind, ...nobody, revision };
    case "MemberJoined":
      return { ...before, ...joined(before, event), revision };
    case "MemberLeft": {
      const members = new Map(before.members);
      members.delete(event.userId);
      const seen = (before.members.get(event.userId) ?? []).map(({ from, to }) => ({
        from,
        to: Math.min(to, event.leftAt),
      }));
      return { ...before, members, former: new Map(before.former).set(event.userId, seen), revision };
    }
    case "MessageSent":
      return { ...before, lastSequence: event.sequence, revision };
    case "MemberRoleChanged":
    case "SettingsChanged":
    case "MessageEdited":
    case "MessageDeleted":
    case "ReactionAdded":
    case "ReactionRemoved":
      return { ...before, revision };
  }
};

const joined = (before: Membership, event: MemberJoined): Pick<Membership, "members" | "former"> => {
  const members = new Map(before.members);
  const former = new Map(before.former);
  const now = [{ from: event.visibleFrom, to: Infinity }];
  for (const { userId } of event.members) {
    const earlier = former.get(userId);
    members.set(userId, earlier === undefined ? now : [...earlier, ...now]);
    former.delete(userId);
  }
  return { members, former };
};

/** What a conversation's state says of it: where a fold may begin. */
export const membershipOf = ({ profile, members, former, lastSequence, revision }: Started): Membership => ({
  kind: profile.kind,
  members: new Map([...members].map(([userId, { visible }]) => [userId, visible])),
  former: new Map(former),
  lastSequence,
  revision,
});

/**
 * A membership that was kept beside the log, with the id of the last event in it; undefined: there is none. It is
 * believed only where the log has that event. Never rejects.
 */
export type FindMembership = (
  conversationId: ConversationId,
) => Promise<{ readonly membership: Membership; readonly eventId: EventId } | undefined>;

/** Members of all memberships kept; a direct conversation weighs two. */
const membersKeptMax = 2_000_000;

/** The memberships of the conversations in use. */
export type Memberships = {
  /** As of just before `revision`, when that is in memory. */
  readonly before: (conversationId: ConversationId, revision: Revision) => Membership | undefined;
  /** As last folded, whatever the revision; undefined when it is not in memory. */
  readonly latest: (conversationId: ConversationId) => Membership | undefined;
  readonly keep: (conversationId: ConversationId, membership: Membership) => void;
  /**
   * `keep` of what `foldMembership` makes of a message, for one that is kept: in place, since a message changes how far
   * the conversation has come and nothing else. Whoever holds on to a membership asks for it again.
   */
  readonly advance: (membership: Membership, message: MessageSent) => void;
  /** Folds the stream up to just before `revision`. @throws UnreadableEvent, and what the log throws */
  readonly load: (conversationId: ConversationId, revision: Revision) => Promise<Membership>;
};

export const createMemberships = (source: Pick<EventSource, "readStream">, find: FindMembership): Memberships => {
  const kept = new LRUCache<ConversationId, Membership>({
    maxSize: membersKeptMax,
    sizeCalculation: ({ members, former }) => members.size + former.size + 1,
  });

  /** Where a fold up to just before `revision` begins: for one page of events nobody else is asked. */
  const start = async (conversationId: ConversationId, revision: Revision): Promise<Membership> => {
    const known = kept.get(conversationId);
    const begin = known !== undefined && known.revision < revision ? known : none;
    if (revision - begin.revision - 1 <= streamPageEvents) return begin;
    const found = await find(conversationId);
    if (found === undefined || found.membership.revision <= begin.revision || found.membership.revision >= revision)
      return begin;
    const stream = streamOf.conversation(conversationId);
    const [last] = await source.readStream(stream, found.membership.revision, 1);
    return last?.id === found.eventId ? found.membership : begin;
  };

  return {
    before: (conversationId, revision) => {
      if (revision === 0) return none;
      const membership = kept.get(conversationId);
      return membership?.revision === revision - 1 ? membership : undefined;
    },
    latest: (conversationId) => kept.get(conversationId),
    keep: (conversationId, membership) => void kept.set(conversationId, membership),
    advance: (membership, { sequence }) => {
      const here: Writable<Membership> = membership;
      here.lastSequence = sequence;
      here.revision = revisionAfter(membership.revision);
    },
    load: async (conversationId, revision) => {
      let membership = await start(conversationId, revision);
      const stream = streamOf.conversation(conversationId);
      const part = { from: revisionAfter(membership.revision), to: revisionAfter(revision, -1) };
      for await (const page of streamPages(source, stream, part))
        for (const recorded of page) membership = foldMembership(membership, decodeConversationEvent(recorded));
      if (revisionAfter(membership.revision) < revision) throw new Error(`${stream} ends before revision ${revision}`);
      kept.set(conversationId, membership);
      return membership;
    },
  };
};
