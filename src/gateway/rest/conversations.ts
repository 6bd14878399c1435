import type { Conversation } from "../../domain/conversation/conversation.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Summary } from "../../projections/queries/queries.js";
import { groupBody, preferencesBody, startDirectBody, startGroupBody } from "../protocol/bodies.js";
import type { Failure } from "../protocol/codes.js";
import { malformed } from "../protocol/details.js";
import { inboxQuery } from "../protocol/queries.js";
import { gatewayLimits as bounds } from "../limits.js";
import { changing, reading, starting, type Answered } from "./route.js";
import { asItWasLeft, ownWritesVisible } from "./visible.js";

/** A change that asks for nothing leaves no state. */
type GroupChange = { readonly position?: Position; readonly state?: Conversation };
const unchanged: Either<Failure, GroupChange> = E.right({});

/** Conversations as a whole: started, listed, shown and changed. */
export const conversationRoutes = [
  starting({
    method: "POST",
    path: "/conversations",
    body: startDirectBody,
    run: async ({ app, actor, body, context }) => {
      const [peerId, ...others] = body.participantIds;
      if (peerId === undefined || others.length > 0 || peerId === actor.userId)
        return E.left(malformed([{ field: "participantIds", expected: "exactly one other user" }]));
      return app.commands.startDirect({ peerId }, context);
    },
  }),
  starting({
    method: "POST",
    path: "/groups",
    body: startGroupBody,
    run: ({ app, body, context }) => app.commands.startGroup(body, context),
  }),
  reading({
    method: "GET",
    path: "/conversations",
    query: inboxQuery,
    run: ({ app, actor, query }) => app.queries.inbox(actor, { limit: bounds.pageDefault, ...query }),
  }),
  reading({
    method: "GET",
    path: "/conversations/{conversationId}",
    run: ({ app, actor, path }) => app.queries.summary(actor, path.conversationId),
  }),
  changing({
    method: "PATCH",
    path: "/conversations/{conversationId}",
    body: groupBody,
    emptyBody: true,
    // A caller that changes nothing needs no leave to do so, in a direct conversation either.
    run: async ({ app, path, body, context }): Answered<GroupChange> =>
      Object.keys(body).length === 0 ? unchanged : app.commands.changeSettings({ ...path, ...body }, context),
    answer: async ({ state }, call) => {
      if (state !== undefined) return asItWasLeft(state, call);
      const { app, actor, path } = call;
      const summary = await ownWritesVisible(call, () => app.queries.summary(actor, path.conversationId));
      return E.map(({ conversation }: Summary) => conversation)(summary);
    },
  }),
  changing({
    method: "PUT",
    path: "/conversations/{conversationId}/preferences",
    body: preferencesBody,
    emptyBody: true,
    run: ({ app, path, body, context }) => app.commands.changePreferences({ ...path, ...body }, context),
    answer: ({ pinned, archived, mutedUntil }) => E.right({ pinned, archived, mutedUntil }),
  }),
] as const;
