import {
  entriesOf,
  entryChunks,
  jsonChunk,
  jsonOf,
  type Chunks,
  type SnapshotFormat,
} from "../kernel/chunks.snapshot.js";
import type { Sequence, UserId } from "../kernel/ids.js";
import { absent, type Conversation, type Member, type Started, type Visible } from "./conversation.js";
import type { Messages } from "./messages.js";
import { messagesChunks, messagesFrom } from "./messages.snapshot.js";
import { asRevision } from "../kernel/stream.js";

type Folded = { readonly state: Conversation; readonly index: Messages };
type Head = Pick<Started, "id" | "revision" | "profile" | "lastSequence" | "lastAt">;

/** Some 120 bytes a member, and what the messages take. */
export const conversationSnapshot: SnapshotFormat<Folded> = {
  version: 6,

  chunksOf: ({ state, index }) =>
    state.situation === "absent"
      ? []
      : [
          jsonChunk("head", () => headOf(state)),
          ...entryChunks("members", state.members, tupleOfMember),
          ...entryChunks("former", state.former, tupleOfFormer),
          ...messagesChunks(index),
        ],

  stateOf: (chunks) => ({ state: chunks.size === 0 ? absent : startedFrom(chunks), index: messagesFrom(chunks) }),
};

const headOf = ({ id, revision, profile, lastSequence, lastAt }: Started): Head => ({
  ...{ id, revision, profile, lastSequence, lastAt },
});

const startedFrom = (chunks: Chunks): Started => ({
  situation: "started",
  ...(jsonOf(chunks, "head") as Head),
  members: new Map(entriesOf(chunks, "members").map((entry) => memberOf(entry as MemberTuple))),
  former: new Map(entriesOf(chunks, "former").map((entry) => formerOf(entry as FormerTuple))),
});

// Tuples, because the names of the fields would be most of what is stored.

/** An open interval has no end in JSON. */
type VisibleTuple = readonly [Sequence, Sequence | null];
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
  { role, joinedPos: asRevision(joinedPos), joinedAt, visible: visible.map(visibleOf) },
];

type FormerTuple = readonly [UserId, readonly VisibleTuple[]];
const tupleOfFormer = ([userId, visible]: readonly [UserId, readonly Visible[]]): FormerTuple => [
  userId,
  visible.map(tupleOfVisible),
];
const formerOf = ([userId, visible]: FormerTuple): [UserId, readonly Visible[]] => [userId, visible.map(visibleOf)];
