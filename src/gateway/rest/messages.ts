import { historyQuery, membersQuery } from "../protocol/queries.js";
import { syncCodec } from "../protocol/sync-body.js";
import { gatewayLimits as bounds } from "../limits.js";
import { reading } from "./route.js";

/** Messages of a conversation, and what has happened in all of them. */
export const messageRoutes = [
  reading({
    method: "GET",
    path: "/conversations/{conversationId}/messages",
    query: historyQuery,
    run: ({ app, actor, path, query }) =>
      app.queries.history(actor, path.conversationId, { limit: bounds.pageDefault, ...query }),
  }),
  reading({
    method: "GET",
    path: "/conversations/{conversationId}/messages/{messageId}/receipts",
    query: membersQuery,
    run: ({ app, actor, path, query }) =>
      app.queries.receipts(actor, path.conversationId, path.messageId, { limit: bounds.pageMax, ...query }),
  }),
  reading({
    method: "POST",
    path: "/sync",
    body: syncCodec,
    waits: true,
    run: ({ catchUp, actor, body }) => catchUp.sync(actor, body),
  }),
] as const;
