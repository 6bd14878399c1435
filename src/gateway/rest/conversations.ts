import type { Conversation } from "../../domain/conversation/conversation.js";
import { E, type Either } from "../../domain/kernel/fp.js";
import type { Position } from "../../domain/kernel/stream.js";
import type { Started } from "../../commands/commands.js";
import type { ConversationView } from "../../projections/queries/queries.js";
import type { HttpResponse } from "../ports.js";
import { addMembersBody, startDirectBody, startGroupBody } from "../protocol/bodies.js";
import type { Failure } from "../protocol/codes.js";
import { malformed } from "../protocol/details.js";
import { inboxQuery } from "../protocol/queries.js";
import { gatewayLimits as bounds } from "../limits.js";
import { json, noContent } from "./answers.js";
import { asLeftFor } from "./as-left.js";
import { bodyOf, conversationOf, queryOf, type Call, type Handler, type RestContext } from "./call.js";

/** Changes of conversations and their members, the inbox and one conversation of it. */

export const startDirect: Handler = async (rest, call) => {
  const body = bodyOf(call, startDirectBody);
  if (E.isLeft(body)) return body;
  const [peerId, ...others] = body.right.participantIds;
  if (peerId === undefined || others.length > 0 || peerId === call.actor.userId)
    return E.left(malformed([{ field: "participantIds", expected: "exactly one other user" }]));
  return started(rest, call, await rest.app.commands.startDirect({ peerId }, call.context));
};

export const startGroup: Handler = async (rest, call) => {
  const body = bodyOf(call, startGroupBody);
  if (E.isLeft(body)) return body;
  return started(rest, call, await rest.app.commands.startGroup(body.right, call.context));
};

/** The conversation as the caller sees it: 201 when it is new, 200 when it had been there. */
const started = async (
  rest: RestContext,
  call: Call,
  outcome: Either<Failure, Started>,
): Promise<Either<Failure, HttpResponse>> => {
  if (E.isLeft(outcome)) return outcome;
  const { state, created, position } = outcome.right;
  const answer = await answerAsLeft(rest, call, state, position);
  return E.map((conversation: object) => json(created ? 201 : 200, conversation))(answer);
};

/**
 * What was written, once the views have it where they do not take long: others who are told of it find it there. Views that
 * are away change nothing about the answer.
 */
export const answerAsLeft = async (
  { shared }: RestContext,
  { actor }: Call,
  state: Conversation,
  position: Position,
): Promise<Either<Failure, ConversationView>> => {
  shared.wrote(actor.userId, position);
  await shared.ownWritesVisible(actor);
  return asLeftFor(state, actor.userId);
};

export const inbox: Handler = async (rest, call) => {
  const query = queryOf(call, inboxQuery);
  if (E.isLeft(query)) return query;
  const page = { limit: bounds.pageDefault, ...query.right };
  return ok(await visible(rest, call, () => rest.app.queries.inbox(call.actor, page)));
};

export const summary: Handler = async (rest, call) => {
  const id = conversationOf(call);
  if (E.isLeft(id)) return id;
  return ok(await visible(rest, call, () => rest.app.queries.summary(call.actor, id.right)));
};

export const addMembers: Handler = async (rest, call) => {
  const id = conversationOf(call);
  if (E.isLeft(id)) return id;
  const body = bodyOf(call, addMembersBody);
  if (E.isLeft(body)) return body;
  const command = { conversationId: id.right, userIds: body.right.userIds };
  const outcome = await rest.app.commands.addMembers(command, call.context);
  if (E.isLeft(outcome)) return outcome;
  const { added, memberCount, position } = outcome.right;
  rest.shared.wrote(call.actor.userId, position);
  return E.right(json(200, { added, memberCount }));
};

export const removeMember: Handler = async (rest, call) => {
  const id = conversationOf(call);
  if (E.isLeft(id)) return id;
  const command = { conversationId: id.right, userId: call.params.userId ?? "" };
  const outcome = await rest.app.commands.removeMember(command, call.context);
  if (E.isLeft(outcome)) return outcome;
  rest.shared.wrote(call.actor.userId, outcome.right.position);
  return E.right(noContent());
};

/** Reads when the views hold what the caller's answered requests have written. */
export const visible = async <A>(
  { shared }: RestContext,
  { actor }: Call,
  read: () => Promise<Either<Failure, A>>,
): Promise<Either<Failure, A>> => {
  const caughtUp = await shared.ownWritesVisible(actor);
  return E.isLeft(caughtUp) ? caughtUp : read();
};

export const ok = <A>(answer: Either<Failure, A>): Either<Failure, HttpResponse> =>
  E.map((body: A) => json(200, body))(answer);
