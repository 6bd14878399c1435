import { E } from "../../domain/kernel/fp.js";
import { addMembersBody, roleBody } from "../protocol/bodies.js";
import { membersQuery } from "../protocol/queries.js";
import { gatewayLimits as bounds } from "../limits.js";
import { changing, reading, removing } from "./route.js";

/** Members of a conversation. */
export const memberRoutes = [
  reading({
    method: "GET",
    path: "/conversations/{conversationId}/members",
    query: membersQuery,
    run: ({ app, actor, path, query }) =>
      app.queries.members(actor, path.conversationId, { limit: bounds.pageMax, ...query }),
  }),
  changing({
    method: "POST",
    path: "/conversations/{conversationId}/members",
    body: addMembersBody,
    run: ({ app, path, body, context }) => app.commands.joinMembers({ ...path, ...body }, context),
    answer: ({ added, memberCount }) => E.right({ added, memberCount }),
  }),
  removing({
    method: "DELETE",
    path: "/conversations/{conversationId}/members/{userId}",
    run: ({ app, path, context }) => app.commands.leaveConversation(path, context),
  }),
  changing({
    method: "PATCH",
    path: "/conversations/{conversationId}/members/{userId}",
    body: roleBody,
    run: ({ app, path, body, context }) => app.commands.changeMemberRole({ ...path, ...body }, context),
    answer: (_, { path: { userId }, body: { role } }) => E.right({ userId, role }),
  }),
] as const;
