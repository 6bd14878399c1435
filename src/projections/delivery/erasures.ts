import type { ConversationId, UserId } from "../../domain/kernel/ids.js";
import type { Position } from "../../domain/kernel/stream.js";
import { E } from "../../domain/kernel/fp.js";
import { erasedFrame } from "../frames/frames.js";
import { untilDone } from "../keep-trying.js";
import { conversationsOf } from "../meetings.js";
import type { MemberRow } from "../ports/rows.js";
import { mayHaveMet } from "../views/visibility.js";
import { atMost } from "./bounded-reads.js";
import { createWaiting, readsAtOnceMax, type FollowUpDependencies } from "./followups.js";

export type ErasedUser = { readonly userId: UserId; readonly at: number; readonly position: Position };

export type Erasures = {
  /** `onTold`: all who are connected have been told. It is not called for what `stop` or a crowd keeps from being told. */
  readonly erased: (user: ErasedUser, onTold: () => void) => void;
  /** Resolves when nothing waits and nothing is under way. */
  readonly settled: () => Promise<void>;
  readonly stop: () => void;
};

export type ErasureDependencies = FollowUpDependencies<"touchedSince" | "members" | "membershipSteps">;

/** Members of a read: a group of 100,000 is two hundred. */
const membersOfPage = 500;
/** Users who are remembered as told, so that friends of many conversations are told once; beyond them some are told again. */
const toldMax = 100_000;

/**
 * `user.erased` goes to all who may have seen the erased one named, or what they wrote. Who that is the views know, so it
 * follows them and not the log: one user after another, page by page, beside everything that is delivered. What fails is
 * tried again without end, and telling twice does no harm. Devices that are away hear of it by sync.
 */
export const createErasures = (deps: ErasureDependencies): Erasures => {
  const waiting = createWaiting<ErasedUser & { readonly onTold: () => void }>(() => {
    deps.onLost(1, "crowded");
  });
  const stopping = new AbortController();
  const { signal } = stopping;
  let running = false;
  let underWay = Promise.resolve();

  const run = async (): Promise<void> => {
    running = true;
    while (!waiting.isEmpty() && !signal.aborted) {
      for (const { onTold, ...user } of waiting.takeAll()) {
        const telling = createTelling(deps, user, signal);
        try {
          await untilDone(telling, signal, onProblem);
          onTold();
        } catch {
          // Only once it is stopped: whoever begins at the checkpoint tells it again.
          break;
        }
      }
    }
    running = false;
  };
  let problem: string | undefined;
  const onProblem = (error: Error | undefined): void => {
    if (error !== undefined && error.message !== problem) deps.onFailure(error);
    problem = error?.message;
  };

  return {
    settled: () => underWay,
    stop: () => {
      stopping.abort();
      waiting.clear();
    },
    erased: (user, onTold) => {
      if (signal.aborted) return;
      waiting.put(user.userId, { ...user, onTold });
      if (!running) underWay = run();
    },
  };
};

/** One erasure, which may be begun again: whom it has told it does not tell twice. */
const createTelling = (
  { bus, reads, awaitCaughtUp }: ErasureDependencies,
  { userId, at, position }: ErasedUser,
  signal: AbortSignal,
): (() => Promise<void>) => {
  const frame = JSON.stringify(erasedFrame(userId, at));
  const limit = atMost(readsAtOnceMax);
  // The erased one's own devices were told with the event itself.
  const told = new Set<UserId>([userId]);

  const tell = async (recipients: readonly UserId[]): Promise<void> => {
    if (recipients.length === 0) return;
    await bus.deliver([{ recipients, frame }]);
    if (told.size > toldMax) told.clear();
    for (const recipient of recipients) told.add(recipient);
  };

  const inConversation = async (conversationId: ConversationId): Promise<void> => {
    const theirs = await reads.membershipSteps(conversationId, userId);
    const isPresent = theirs.at(-1)?.joined === true;
    const mayKnow = async (member: MemberRow): Promise<boolean> =>
      // Both are members now, as nearly all are: nothing has to be read.
      (member.present && isPresent) || mayHaveMet(await reads.membershipSteps(conversationId, member.userId), theirs);
    let after: UserId | undefined;
    do {
      const page = { former: true, limit: membersOfPage } as const;
      const members = await reads.members(conversationId, after === undefined ? page : { ...page, after });
      const concerned = members.filter((member) => !told.has(member.userId) && bus.connected(member.userId));
      const known = await Promise.all(concerned.map((member) => limit(() => mayKnow(member))));
      await tell(concerned.filter((_, index) => known[index]).map((member) => member.userId));
      signal.throwIfAborted();
      after = members.length < membersOfPage ? undefined : members.at(-1)?.userId;
    } while (after !== undefined);
  };

  return async () => {
    if (E.isLeft(await awaitCaughtUp(position))) throw new Error("the views are behind the log");
    for await (const ids of conversationsOf(reads, userId)) for (const id of ids) await inConversation(id);
  };
};
