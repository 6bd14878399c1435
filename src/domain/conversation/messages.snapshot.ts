import { entriesOf, entryChunks, jsonChunk, jsonOf, type Chunk, type Chunks } from "../kernel/chunks.snapshot.js";
import type { MessageId, Sequence, UserId } from "../kernel/ids.js";
import { asRevision, type Revision } from "../kernel/stream.js";
import { amendmentsFrom, type Amendment } from "./amendments.js";
import { messagesIndex, type Messages } from "./messages.js";
import { evictedChunks, evictedFrom, type EvictedCounts } from "./evicted-ids.js";
import { recentFrom, windowOf, type RecentMessage, type Window } from "./recent.js";

/** Of the messages: runs of this many sequences are a chunk, which never changes once the run is full. */
const sequencesPerChunk = 250;

type Head = {
  /** First of the window; undefined while there are no messages. */
  readonly firstSequence?: Sequence;
  readonly older: EvictedCounts;
  readonly forgottenTo: Revision;
};

/**
 * Some 150 bytes a message of the window, 4 bytes an older message. What later events change in place is copied here,
 * before the first chunk is encoded.
 */
export const messagesChunks = ({ recent, amendments }: Messages): readonly Chunk[] => {
  const window = windowOf(recent);
  const amended = new Map([...amendments.byId].map((entry) => [entry[0], tupleOfAmendment(entry)]));
  const evicted = evictedChunks(recent.evicted);
  const head: Head = {
    ...{ older: evicted.counts, forgottenTo: amendments.forgottenTo },
    ...(window.count === 0 ? {} : { firstSequence: window.sequence(0) }),
  };
  return [
    jsonChunk("messages", () => head),
    ...recentChunks(window),
    ...entryChunks("amendments", amended, ([, amendment]) => amendment),
    ...evicted.chunks,
  ];
};

/** @throws Error when the chunks are not what `messagesChunks` made */
export const messagesFrom = (chunks: Chunks): Messages => {
  if (chunks.size === 0) return messagesIndex.empty();
  const { firstSequence = 1, older, forgottenTo } = jsonOf(chunks, "messages") as Head;
  const messages: RecentMessage[] = [];
  for (let run = runOf(firstSequence); chunks.has(`recent/${run}`); run += 1)
    messages.push(...(jsonOf(chunks, `recent/${run}`) as RecentTuple[]).map(messageOf));
  return {
    recent: recentFrom(
      messages.filter(({ sequence }) => sequence >= firstSequence),
      evictedFrom(chunks, older),
    ),
    amendments: amendmentsFrom(
      entriesOf(chunks, "amendments").map((entry) => amendmentOf(entry as AmendmentTuple)),
      forgottenTo,
    ),
    decided: undefined,
  };
};

const runOf = (sequence: Sequence): number => Math.floor((sequence - 1) / sequencesPerChunk);

/** The messages of a run are made where its chunk is encoded: a store does not ask for those that it has. */
const recentChunks = (window: Window): readonly Chunk[] => {
  const runs = new Map<number, number[]>();
  for (let index = 0; index < window.count; index += 1) {
    const run = runOf(window.sequence(index));
    const within = runs.get(run);
    if (within === undefined) runs.set(run, [index]);
    else within.push(index);
  }
  return [...runs].map(([run, within]) =>
    jsonChunk(
      `recent/${run}`,
      () => within.map((index) => tupleOfMessage(window.message(index))),
      within.length === sequencesPerChunk,
    ),
  );
};

// Tuples, because the names of the fields would be most of what is stored.

type RecentTuple = readonly [MessageId, Sequence, number, number, UserId, RecentMessage["contentType"]];
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
  pos: asRevision(pos),
  at,
  senderId,
  contentType,
});

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
  [...amendment.reactions].map(([reaction, users]) => [reaction, [...users]]),
  amendment.removedPos,
  amendment.pos,
];
const amendmentOf = ([messageId, deleted, digest, reactions, removedPos, pos]: AmendmentTuple): [
  MessageId,
  Amendment,
] => {
  const there = new Map(reactions.map(([reaction, users]) => [reaction, new Set(users)]));
  return [messageId, { deleted, digest: digest ?? undefined, reactions: there, removedPos, pos }];
};
