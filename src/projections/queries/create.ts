import { E } from "../../domain/kernel/fp.js";
import { laterOf, type Position } from "../../domain/kernel/stream.js";
import { reject } from "../../domain/rejections.js";
import type { EventSource } from "../ports/event-source.js";
import type { OpenContent } from "../ports/open-content.js";
import type { ViewStore } from "../ports/view-store.js";
import { closedForErased } from "./closed-for-erased.js";
import { historyQuery } from "./history.js";
import { inboxQuery } from "./inbox.js";
import { membersQuery } from "./members.js";
import type { Answer, Queries } from "./queries.js";
import { receiptsQuery } from "./receipts.js";
import { summaryQuery } from "./summary.js";
import { syncQueries } from "./sync/sync.js";
import { meQuery, userQuery } from "./users.js";

export type QueryDependencies = {
  readonly source: EventSource;
  readonly views: {
    readonly store: ViewStore;
    /** False when the time was up first. */
    readonly awaitCaughtUp: (position: Position, timeoutMs: number) => Promise<boolean>;
    /** The views hold everything up to it, and perhaps more. Asks no store. */
    readonly reached: () => Position;
    /** The log's head of the moment at which this process opened them. */
    readonly opened: Position;
    /** Why they are not to be read: they do not hold `opened` yet, or they do not go on. Lag alone is no reason. */
    readonly problem: () => string | undefined;
  };
  readonly open: OpenContent;
  readonly epoch: string;
  readonly clock: () => number;
};

/** How long a reader waits for the views (PROTOCOL §6). */
const catchUpMsMax = 2_000;

/**
 * The whole read side. Nothing is read from views that are not there (PROTOCOL §8): a part of an inbox is never an answer,
 * and what exists is never unknown. Views that are still being built are waited for as those that lag are.
 */
export const createQueries = ({ source, views, epoch, clock, ...deps }: QueryDependencies): Queries => {
  const { reads } = views.store;
  const open = closedForErased(deps.open, reads);
  const awaitCaughtUp: Queries["awaitCaughtUp"] = async (position) => {
    const reached = await views.awaitCaughtUp(laterOf(position, views.opened), catchUpMsMax);
    if (views.problem() !== undefined) return E.left(notThere);
    return reached ? E.right(undefined) : E.left(behind);
  };
  const there =
    <Args extends readonly unknown[], A>(query: (...args: Args) => Answer<A>) =>
    async (...args: Args): Answer<A> => {
      if (views.problem() === undefined) return query(...args);
      const caughtUp = await awaitCaughtUp(views.opened);
      return E.isLeft(caughtUp) ? caughtUp : query(...args);
    };
  const { sync, syncAhead } = syncQueries({
    ...{ source, reads, reached: views.reached, checkpoint: views.store.checkpoint, open, epoch, clock },
  });
  return {
    awaitCaughtUp,
    inbox: there(inboxQuery({ reads, open })),
    summary: there(summaryQuery({ reads, open })),
    members: there(membersQuery({ reads })),
    history: there(historyQuery({ source, reads, open })),
    receipts: there(receiptsQuery({ reads })),
    me: there(meQuery({ reads, open })),
    user: there(userQuery({ reads, open })),
    sync: there(sync),
    // Not answered ahead is answered by `sync`, which says why.
    syncAhead: async (...args) => (views.problem() === undefined ? syncAhead(...args) : undefined),
  };
};

const unavailable = (message: string) => ({ ...reject("UNAVAILABLE", message), retryAfter: 1 });
const behind = unavailable("The views are behind the log; try again.");
const notThere = unavailable("The views are not there now; try again.");
