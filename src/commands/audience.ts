import { LRUCache } from "lru-cache";
import type { Conversation } from "../domain/conversation/conversation.js";
import type { Messages } from "../domain/conversation/messages.js";
import { E, type Either } from "../domain/kernel/fp.js";
import type { ConversationId, UserId } from "../domain/kernel/ids.js";
import { revisionAfter, streamOf, type Revision } from "../domain/kernel/stream.js";
import { streamPages } from "../domain/kernel/stream-pages.js";
import { conversationNotFound, formerMember, type Rejection } from "../domain/rejections.js";
import { within } from "../lib/time.js";
import { loadAggregate } from "./load.js";
import type { EventLog } from "./ports.js";
import { routes } from "./routes.js";
import type { Snapshots } from "./snapshots.js";
import type { Peeked } from "./writer.js";

/**
 * A conversation's members, for callers worth less than any command (typing): what is in memory, else a read of its own,
 * which never enters the queue of a conversation and has few places. Where none is left the caller does without.
 */
export type Audience = {
  /**
   * At most `ageMsMax` old; undefined: not to be had now.
   * @throws (rejects) UnreadableEvent, LogError
   */
  readonly of: (conversationId: ConversationId, ageMsMax?: number) => Promise<Members | undefined>;
};

/** `asOf`: when the log had nothing else, on the clock of `now`. */
export type Members = { readonly present: Users; readonly former: Users; readonly asOf: number };
type Users = { readonly has: (userId: UserId) => boolean; readonly keys: () => Iterable<UserId> };

export type AudienceOptions = {
  readonly peek: (conversationId: ConversationId) => Peeked<Conversation> | undefined;
  /** For callers that can wait, where the log has such reads. */
  readonly log: Pick<EventLog, "readStream">;
  readonly snapshots: Pick<Snapshots<Conversation, Messages>, "find">;
  /** Milliseconds; a clock that is never set back. */
  readonly now?: () => number;
};

/** A member who has left is told of typing no longer than that. */
const trustedMs = 1_000;
/** How long a caller waits for such a read: typing that comes later is no news. */
const waitMsMax = 1_000;
/** Reads under way, one for each conversation at most: a log that is slow has no more than these to do for typing. */
const readsAtOnceMax = 32;
/** Ids of present and former members kept: some 20 MB. */
const idsKeptMax = 200_000;

type Kept = {
  readonly present: ReadonlySet<UserId>;
  readonly former: ReadonlySet<UserId>;
  readonly revision: Revision;
  readonly asOf: number;
};

export const createAudience = (options: AudienceOptions): Audience => {
  const { peek, now = () => performance.now() } = options;
  const kept = new LRUCache<ConversationId, Kept>({
    maxSize: idsKeptMax,
    sizeCalculation: ({ present, former }) => present.size + former.size + 1,
  });
  const underWay = new Map<ConversationId, Promise<Members | undefined>>();

  const read = async (id: ConversationId, peeked: Peeked<Conversation> | undefined): Promise<Members> => {
    const asOf = now();
    const before = newest(kept.get(id), peeked && toKept(peeked, asOf));
    const next = await (before === undefined ? load(options, id, asOf) : follow(options, id, before, asOf));
    // What does not exist is not kept: ids that a client guesses must not drive out conversations that are in use.
    if (next.revision >= 0) kept.set(id, next);
    return next;
  };

  const reading = (id: ConversationId, peeked: Peeked<Conversation> | undefined): Promise<Members | undefined> => {
    const already = underWay.get(id);
    if (already !== undefined) return already;
    if (underWay.size >= readsAtOnceMax) return Promise.resolve(undefined);
    // It keeps its place until it ends, also when no caller waits for it any more.
    const members = read(id, peeked).finally(() => underWay.delete(id));
    const answer = within(members, waitMsMax, () => undefined);
    underWay.set(id, answer);
    return answer;
  };

  return {
    of: (id, ageMsMax = trustedMs) => {
      const peeked = peek(id);
      if (peeked !== undefined && peeked.ageMs <= ageMsMax)
        return Promise.resolve(membersOf(peeked.state, now() - peeked.ageMs));
      const known = kept.get(id);
      if (known !== undefined && now() - known.asOf < ageMsMax) return Promise.resolve(known);
      return reading(id, peeked);
    },
  };
};

/**
 * The other present members. Only what the log had after the call refuses: a user who joined through another process a
 * moment ago is no stranger. Without `userIds`: they cannot be known now, and none is told.
 */
export const othersIn = async (
  audience: Audience,
  conversationId: ConversationId,
  userId: UserId,
  now: () => number = () => performance.now(),
): Promise<Either<Rejection, { readonly userIds?: readonly UserId[] }>> => {
  const askedAt = now();
  let members = await audience.of(conversationId);
  if (members?.present.has(userId) === false && members.asOf < askedAt) members = await audience.of(conversationId, 0);
  if (members === undefined) return E.right({});
  if (members.present.has(userId))
    return E.right({ userIds: [...members.present.keys()].filter((member) => member !== userId) });
  if (members.asOf < askedAt) return E.right({});
  return E.left(members.former.has(userId) ? formerMember : conversationNotFound);
};

const load = async ({ log, snapshots }: AudienceOptions, id: ConversationId, asOf: number): Promise<Kept> => {
  const loaded = await loadAggregate(log, routes.conversation, streamOf.conversation(id), snapshots);
  return toKept(loaded, asOf);
};

/** Of what came after `before` only memberships are decoded. */
const follow = async ({ log }: AudienceOptions, id: ConversationId, before: Kept, asOf: number): Promise<Kept> => {
  const present = new Set(before.present);
  const former = new Set(before.former);
  let { revision } = before;
  for await (const page of streamPages(log, streamOf.conversation(id), { from: revisionAfter(revision) })) {
    for (const recorded of page) {
      if (recorded.type !== "MemberJoined" && recorded.type !== "MemberLeft") continue;
      const event = routes.conversation.decode(recorded);
      if (event.type === "MemberJoined") for (const { userId } of event.members) move(userId, former, present);
      if (event.type === "MemberLeft") move(event.userId, present, former);
    }
    revision = revisionAfter(revision, page.length);
  }
  return { present, former, revision, asOf };
};

const move = (userId: UserId, from: Set<UserId>, to: Set<UserId>): void => {
  from.delete(userId);
  to.add(userId);
};

const toKept = ({ state, revision }: Pick<Peeked<Conversation>, "state" | "revision">, asOf: number): Kept => {
  const { present, former } = membersOf(state, asOf);
  return { present: new Set(present.keys()), former: new Set(former.keys()), revision, asOf };
};

const membersOf = (state: Conversation, asOf: number): Members =>
  state.situation === "absent"
    ? { present: nobody, former: nobody, asOf }
    : { present: state.members, former: state.former, asOf };

const nobody: ReadonlySet<UserId> = new Set();

const newest = (a: Kept | undefined, b: Kept | undefined): Kept | undefined =>
  a !== undefined && b !== undefined && b.revision < a.revision ? a : (b ?? a);
