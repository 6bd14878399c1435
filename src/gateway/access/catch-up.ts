import { E } from "../../domain/kernel/fp.js";
import type { Actor, UserId } from "../../domain/kernel/ids.js";
import { laterOf, type Position } from "../../domain/kernel/stream.js";
import type { Rejection } from "../../domain/rejections.js";
import type { Answer, SyncRequest, SyncResult } from "../../projections/queries/queries.js";
import { createGate, createQuota } from "./concurrency-limits.js";
import { createHeadWait } from "./head-wait.js";
import { gatewayLimits as bounds } from "../limits.js";
import type { Application } from "../ports.js";
import { createReadYourWrites } from "./read-your-writes.js";

/** Reads that see what they have to see. One per gateway, for sockets and REST together. */
export type CatchUp = {
  /** To be called with the position of every answered write, before its answer leaves. */
  readonly wrote: (userId: UserId, position: Position) => void;
  /** Resolves when the views hold this user's answered writes. */
  readonly ownWritesVisible: (actor: Actor) => Answer<undefined>;
  /** Contains everything accepted before the call. Refused when too many are catching up at once, or too many of this user. */
  readonly sync: (actor: Actor, body: SyncRequest) => Answer<SyncResult>;
};

export const createCatchUp = (app: Application): CatchUp => {
  const writes = createReadYourWrites(bounds.writersRememberedMax);
  const catchUps = createGate(bounds.catchUpsAtOnceMax, bounds.catchUpsWaitingMax);
  const catchUpsOfUser = createQuota(bounds.catchUpsOfUserMax);
  const { awaitCaughtUp } = app.queries;
  const untilHead = createHeadWait(app.head, awaitCaughtUp, bounds.headWaitMsMax);
  return {
    wrote: writes.wrote,
    ownWritesVisible: async (actor) => {
      // Views that lag are read as they are: only the own writes are promised. Both waits begin now, so that no reader
      // waits longer than one.
      const [own] = await Promise.all([awaitCaughtUp(writes.seen(actor.userId)), untilHead()]);
      return own;
    },
    sync: async (actor, body) => {
      const { userId } = actor;
      const answer = await catchUpsOfUser.within(userId, async () => {
        // Read before the turn comes: a client that waits long need not see more than it asked for. The wait for the
        // views takes no place: a place is for reading, and views that stand still would hold all of them.
        const head = await app.head();
        const own = writes.seen(userId);
        const visible = awaitCaughtUp(laterOf(head, own));
        // No caller listens to it while the page is tried, nor when that fails or is enough.
        visible.catch(() => undefined);
        // A page that is full needs no head. It is tried beside the wait, and only where no other sync waits for the
        // place.
        const ahead = await catchUps.passNow(() => app.queries.syncAhead(actor, body, head, own));
        if (ahead !== undefined) return E.right(ahead);
        const caughtUp = await visible;
        if (E.isLeft(caughtUp)) return caughtUp;
        return catchUps.pass(userId, () => app.queries.sync(actor, body, head));
      });
      return answer ?? E.left(crowded());
    },
  };
};

/** Jittered, so that clients that are refused together do not come back together. */
const crowded = (): Rejection => ({
  code: "UNAVAILABLE",
  message: "Too many clients are catching up.",
  retryAfter: bounds.retryAfterS + Math.floor(Math.random() * 10),
});
