import { LRUCache } from "lru-cache";
import { decodeConversationEvent } from "../../domain/catalogue.js";
import type { ConversationEvent, ConversationKind } from "../../domain/conversation/conversation.events.js";
import { noRevision, streamOf, type Revision } from "../../domain/kernel/stream.js";
import type { EventSource } from "../ports.js";

/** Who gets what: folded by delivery itself, since a view that lags must never decide who sees a message. */
export type Membership = {
  readonly kind: ConversationKind;
  readonly members: ReadonlySet<string>;
  /** Of the last event folded in. */
  readonly revision: Revision;
};

const none: Membership = { kind: "group", members: new Set(), revision: noRevision };

export const foldMembership = (before: Membership, event: ConversationEvent): Membership => {
  const revision = before.revision + 1;
  switch (event.type) {
    case "ConversationStarted":
      return { kind: event.profile.kind, members: new Set(), revision };
    case "MemberJoined":
      return {
        ...before,
        members: new Set([...before.members, ...event.members.map(({ userId }) => userId)]),
        revision,
      };
    case "MemberLeft": {
      const members = new Set(before.members);
      members.delete(event.userId);
      return { ...before, members, revision };
    }
    case "MemberRoleChanged":
    case "SettingsChanged":
    case "MessageSent":
      return { kind: before.kind, members: before.members, revision };
  }
};

/** Members of all memberships kept; a direct conversation weighs two. */
const membersKeptMax = 2_000_000;
const pageSize = 500;

/** The memberships of the conversations in use. */
export type Memberships = {
  /** As of just before `revision`, when that is in memory. */
  readonly before: (conversationId: string, revision: Revision) => Membership | undefined;
  /** As last folded, whatever the revision; undefined when it is not in memory. */
  readonly latest: (conversationId: string) => Membership | undefined;
  readonly keep: (conversationId: string, membership: Membership) => void;
  /** Folds the stream up to just before `revision`. @throws UnreadableEvent, and what the log throws */
  readonly load: (conversationId: string, revision: Revision) => Promise<Membership>;
};

export const createMemberships = (source: EventSource): Memberships => {
  const kept = new LRUCache<string, Membership>({
    maxSize: membersKeptMax,
    sizeCalculation: ({ members }) => members.size + 1,
  });
  return {
    before: (conversationId, revision) => {
      if (revision === 0) return none;
      const membership = kept.get(conversationId);
      return membership?.revision === revision - 1 ? membership : undefined;
    },
    latest: (conversationId) => kept.get(conversationId),
    keep: (conversationId, membership) => void kept.set(conversationId, membership),
    load: async (conversationId, revision) => {
      const known = kept.get(conversationId);
      let membership = known !== undefined && known.revision < revision ? known : none;
      while (membership.revision + 1 < revision) {
        const from = membership.revision + 1;
        const page = await source.readStream(
          streamOf.conversation(conversationId),
          from,
          Math.min(pageSize, revision - from),
        );
        if (page.length === 0)
          throw new Error(`${streamOf.conversation(conversationId)} ends before revision ${revision}`);
        for (const recorded of page) membership = foldMembership(membership, decodeConversationEvent(recorded));
      }
      kept.set(conversationId, membership);
      return membership;
    },
  };
};
