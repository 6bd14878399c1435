import { decodeConversationEvent, decodeEvent, encodeEvent } from "../domain/catalogue.js";
import type { HoldEvent, HoldReleased, HoldSet } from "../domain/holds.events.js";
import type { ByOperator } from "../domain/kernel/by.js";
import type { ConversationId, UserId } from "../domain/kernel/ids.js";
import { firstRevision, noRevision, streamOf, type Position, type Revision } from "../domain/kernel/stream.js";
import { streamEvents } from "../domain/kernel/stream-pages.js";
import { erasureOf } from "../domain/user/erasure.js";
import type { Clock, EventLog, Ids } from "./ports.js";

/** A case for which things must stay. `released`: it is over; also over is one whose `until` has passed. */
export type Hold = {
  readonly set: HoldSet;
  readonly position: Position;
  readonly released?: HoldReleased;
};

export type NewHold = Pick<HoldSet, "case" | "users" | "conversations" | "reason"> & { readonly until?: number };
type Reads = Pick<EventLog, "readStream">;

/** Why a hold is not set or not released. */
export class HoldRefused extends Error {
  constructor(
    readonly code: "HOLD_EXISTS" | "NO_SUCH_HOLD" | "NO_SUCH_SUBJECT" | "ERASED",
    message: string,
  ) {
    super(message);
    this.name = "HoldRefused";
  }
}

/** Operators are few: a rival of ten times is a loop. */
const triesMax = 10;

/** All that were ever set, oldest first. @throws (rejects) UnreadableEvent: what cannot be read may be a hold */
export const readHolds = async (log: Reads): Promise<readonly Hold[]> => (await foldHolds(log)).holds;

/** Those that hold now. */
export const activeHolds = (holds: readonly Hold[], now: number): readonly Hold[] =>
  holds.filter(({ set, released }) => released === undefined && (set.until === undefined || set.until > now));

/**
 * What forbids that anything of a user's is destroyed: a hold of the user, or of a conversation in which they were ever a
 * member, since what they wrote there is part of it.
 */
export const holdsOfUser = async (log: Reads, userId: UserId, now: number): Promise<readonly Hold[]> => {
  const found: Hold[] = [];
  for (const hold of activeHolds(await readHolds(log), now)) {
    if (hold.set.users.includes(userId) || (await isMemberOfAny(log, userId, hold.set.conversations))) found.push(hold);
  }
  return found;
};

/** Durable when it resolves. @throws (rejects) HoldRefused, LogError */
export const setHoldIn =
  (log: Pick<EventLog, "readStream" | "append">, clock: Clock, ids: Ids) =>
  async (hold: NewHold, by: ByOperator): Promise<Position> => {
    for (const stream of [...hold.users.map(streamOf.user), ...hold.conversations.map(streamOf.conversation)])
      if ((await log.readStream(stream, firstRevision, 1)).length === 0)
        throw new HoldRefused("NO_SUCH_SUBJECT", `There is no ${stream.replace("-", " ")} in the log`);
    for (const userId of hold.users)
      if ((await erasureOf(log, userId)) !== undefined)
        throw new HoldRefused("ERASED", `${userId} was erased: nothing is left that a hold could keep`);
    return appendTo(log, ids, (holds) => {
      if (activeHolds(holds, clock()).some(({ set }) => set.case === hold.case))
        throw new HoldRefused(
          "HOLD_EXISTS",
          `The case ${hold.case} has a hold already: release it, or take another name`,
        );
      return { type: "HoldSet", id: ids.uuid(), at: clock(), by, ...hold };
    });
  };

/** Durable when it resolves. @throws (rejects) HoldRefused, LogError */
export const releaseHoldIn =
  (log: Pick<EventLog, "readStream" | "append">, clock: Clock, ids: Ids) =>
  async (release: Pick<HoldReleased, "case" | "reason">, by: ByOperator): Promise<Position> =>
    appendTo(log, ids, (holds) => {
      if (!activeHolds(holds, clock()).some(({ set }) => set.case === release.case))
        throw new HoldRefused("NO_SUCH_HOLD", `No hold of the case ${release.case} is there now`);
      return { type: "HoldReleased", id: ids.uuid(), at: clock(), by, ...release };
    });

/** Decided again where another operator was first. */
const appendTo = async (
  log: Pick<EventLog, "readStream" | "append">,
  ids: Ids,
  decide: (holds: readonly Hold[]) => HoldEvent,
): Promise<Position> => {
  for (let tries = 0; tries < triesMax; tries += 1) {
    const { holds, revision } = await foldHolds(log);
    const commandId = ids.uuid();
    const event = encodeEvent(decide(holds), { commandId, correlationId: commandId });
    const expected = revision === noRevision ? "no_stream" : revision;
    const result = await log.append(streamOf.holds, expected, [event]);
    if (result.kind === "appended") return result.position;
  }
  throw new Error(`others keep writing to ${streamOf.holds}: run it again`);
};

const foldHolds = async (log: Reads): Promise<{ readonly holds: readonly Hold[]; readonly revision: Revision }> => {
  const holds: Hold[] = [];
  let revision = noRevision;
  for await (const recorded of streamEvents(log, streamOf.holds)) {
    const event = decodeEvent(recorded) as HoldEvent;
    revision = recorded.revision;
    if (event.type === "HoldSet") holds.push({ set: event, position: recorded.position });
    else {
      const index = holds.findLastIndex(({ set }) => set.case === event.case);
      const held = holds[index];
      if (held !== undefined) holds[index] = { ...held, released: event };
    }
  }
  return { holds, revision };
};

const isMemberOfAny = async (
  log: Reads,
  userId: UserId,
  conversations: readonly ConversationId[],
): Promise<boolean> => {
  for (const conversationId of conversations)
    for await (const recorded of streamEvents(log, streamOf.conversation(conversationId))) {
      if (recorded.type !== "MemberJoined") continue;
      const event = decodeConversationEvent(recorded);
      if (event.type === "MemberJoined" && event.members.some((member) => member.userId === userId)) return true;
    }
  return false;
};
