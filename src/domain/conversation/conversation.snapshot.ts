import {
  entriesOf,
  entryChunks,
  jsonChunk,
  jsonOf,
  type Chunk,
  type SnapshotFormat,
} from "../kernel/chunks.snapshot.js";
import type { MessageId, UserId } from "../kernel/ids.js";
import type { Revision } from "../kernel/stream.js";
import { amendmentsFrom, type Amendment } from "./amendments.js";
import { absent, type Conversation, type Member, type Started, type Visible } from "./conversation.js";
import { emojiKey } from "./emoji.js";
import { olderChunks, olderFrom, type OlderCounts } from "./evicted-ids.js";
import { recentFrom, recentMessages, type RecentMessage } from "./recent.js";

/** Of the messages: runs of this many sequences are a chunk, which never changes once the run is full. */
const sequencesPerChunk = 250;

type Head = Pick<Started, "id" | "revision" | "profile" | "lastSequence" | "lastAt"> & {
  /** First of the window; undefined while there are no messages. */
  readonly firstSequence?: number;
  readonly older: OlderCounts;
  readonly forgottenTo: Revision;
};

/** Some 150 bytes a message of the window, 4 bytes an older message, 120 bytes a member. */
export const conversationSnapshot: SnapshotFormat<Conversation> = {
  version: 3,

  chunksOf: (state) => (state.situation === "absent" ? [] : chunksOf(state)),

  stateOf: (chunks) => {
    if (chunks.size === 0) return absent;
    const { firstSequence = 1, older, forgottenTo, ...head } = jsonOf(chunks, "head") as Head;
    const messages: RecentMessage[] = [];
    for (let run = runOf(firstSequence); chunks.has(`recent/${run}`); run += 1)
      messages.push(...(jsonOf(chunks, `recent/${run}`) as RecentTuple[]).map(messageOf));
    return {
      situation: "started",
      ...head,
      members: new Map(entriesOf(chunks, "members").map((entry) => memberOf(entry as MemberTuple))),
      former: new Map(entriesOf(chunks, "former").map((entry) => formerOf(entry as FormerTuple))),
      recent: recentFrom(
        messages.filter(({ sequence }) => sequence >= firstSequence),
        olderFrom(chunks, older),
      ),
      amendments: amendmentsFrom(
        entriesOf(chunks, "amendments").map((entry) => amendmentOf(entry as AmendmentTuple)),
        forgottenTo,
      ),
    };
  },
};

/** What later events change in place is copied here, before the first chunk is encoded. */
const chunksOf = (state: Started): readonly Chunk[] => {
  const { id, revision, profile, lastSequence, lastAt } = state;
  const messages = recentMessages(state.recent);
  const [first] = messages;
  const amendments = new Map([...state.amendments.byId].map((entry) => [entry[0], tupleOfAmendment(entry)]));
  const older = olderChunks(state.recent.older);
  const head: Head = {
    ...{ id, revision, profile, lastSequence, lastAt, older: older.counts },
    forgottenTo: state.amendments.forgottenTo,
    ...(first === undefined ? {} : { firstSequence: first.sequence }),
  };
  return [
    jsonChunk("head", () => head),
    ...entryChunks("members", state.members, tupleOfMember),
    ...entryChunks("former", state.former, tupleOfFormer),
    ...recentChunks(messages),
    ...entryChunks("amendments", amendments, ([, amendment]) => amendment),
    ...older.chunks,
  ];
};

const runOf = (sequence: number): number => Math.floor((sequence - 1) / sequencesPerChunk);

const recentChunks = (messages: readonly RecentMessage[]): readonly Chunk[] => {
  const runs = new Map<number, RecentMessage[]>();
  for (const message of messages) {
    const run = runs.get(runOf(message.sequence));
    if (run === undefined) runs.set(runOf(message.sequence), [message]);
    else run.push(message);
  }
  return [...runs].map(([run, within]) =>
    jsonChunk(`recent/${run}`, () => within.map(tupleOfMessage), within.length === sequencesPerChunk),
  );
};

// Tuples, because the names of the fields would be most of what is stored.

type RecentTuple = readonly [MessageId, number, number, number, UserId, RecentMessage["contentType"]];
const tupleOfMessage = ({ messageId, sequence, pos, at, senderId, contentType }: RecentMessage): RecentTuple => [
  messageId,
  sequence,
  pos,
  at,
  senderId,
  contentType,
];
const messageOf = ([messageId, sequence, pos, at, senderId, contentType]: RecentTuple): RecentMessage => ({
  messageId,
  sequence,
  pos,
  at,
  senderId,
  contentType,
});

/** An open interval has no end in JSON. */
type VisibleTuple = readonly [number, number | null];
const tupleOfVisible = ({ from, to }: Visible): VisibleTuple => [from, to === Infinity ? null : to];
const visibleOf = ([from, to]: VisibleTuple): Visible => ({ from, to: to ?? Infinity });

type MemberTuple = readonly [UserId, Member["role"], number, number, readonly VisibleTuple[]];
const tupleOfMember = ([userId, member]: readonly [UserId, Member]): MemberTuple => [
  userId,
  member.role,
  member.joinedPos,
  member.joinedAt,
  member.visible.map(tupleOfVisible),
];
const memberOf = ([userId, role, joinedPos, joinedAt, visible]: MemberTuple): [UserId, Member] => [
  userId,
  { role, joinedPos, joinedAt, visible: visible.map(visibleOf) },
];

type FormerTuple = readonly [UserId, readonly VisibleTuple[]];
const tupleOfFormer = ([userId, visible]: readonly [UserId, readonly Visible[]]): FormerTuple => [
  userId,
  visible.map(tupleOfVisible),
];
const formerOf = ([userId, visible]: FormerTuple): [UserId, readonly Visible[]] => [userId, visible.map(visibleOf)];

type AmendmentTuple = readonly [
  MessageId,
  boolean,
  string | null,
  readonly (readonly [string, readonly UserId[]])[],
  Revision,
  Revision,
];
const tupleOfAmendment = ([messageId, amendment]: readonly [MessageId, Amendment]): AmendmentTuple => [
  messageId,
  amendment.deleted,
  amendment.digest ?? null,
  [...amendment.reactions.values()].map(({ emoji, users }) => [emoji, [...users]]),
  amendment.removedPos,
  amendment.pos,
];
const amendmentOf = ([messageId, deleted, digest, reactions, removedPos, pos]: AmendmentTuple): [
  MessageId,
  Amendment,
] => {
  const there = new Map(reactions.map(([emoji, users]) => [emojiKey(emoji), { emoji, users: new Set(users) }]));
  return [messageId, { deleted, digest: digest ?? undefined, reactions: there, removedPos, pos }];
};
