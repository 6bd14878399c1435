import { E } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import { reject } from "../../domain/rejections.js";
import type { EventSource, OpenContent, ViewStore } from "../ports.js";
import { historyQuery } from "./history.js";
import { inboxQuery } from "./inbox.js";
import { membersQuery } from "./members.js";
import type { Queries } from "./queries.js";
import { receiptsQuery } from "./receipts.js";
import { summaryQuery } from "./summary.js";
import { syncQueries } from "./sync.js";
import { meQuery, userQuery } from "./users.js";

export type QueryDependencies = {
  readonly source: EventSource;
  readonly views: {
    readonly store: ViewStore;
    /** False when the time was up first. */
    readonly awaitCaughtUp: (position: Position, timeoutMs: number) => Promise<boolean>;
    /** The views hold everything up to it, and perhaps more. Never asks anybody. */
    readonly reached: () => Position;
  };
  readonly open: OpenContent;
  readonly epoch: string;
  readonly clock: () => number;
};

/** How long a reader waits for the views (PROTOCOL §6). */
const catchUpMsMax = 2_000;

/** The whole read side. */
export const createQueries = ({ source, views, open, epoch, clock }: QueryDependencies): Queries => {
  const { reads } = views.store;
  const awaitCaughtUp: Queries["awaitCaughtUp"] = async (position) =>
    (await views.awaitCaughtUp(position, catchUpMsMax)) ? E.right(undefined) : E.left(behind);
  return {
    awaitCaughtUp,
    inbox: inboxQuery({ reads, open }),
    summary: summaryQuery({ reads, open }),
    members: membersQuery({ reads }),
    history: historyQuery({ source, reads, open }),
    receipts: receiptsQuery({ reads }),
    me: meQuery({ reads }),
    user: userQuery({ reads }),
    ...syncQueries({ source, reads, reached: views.reached, checkpoint: views.store.checkpoint, open, epoch, clock }),
  };
};

const behind = { ...reject("UNAVAILABLE", "The views are behind the log; try again."), retryAfter: 1 };
