import { E, type Either } from "../../domain/kernel/fp.js";
import type { HttpResponse } from "../ports.js";
import { groupBody, preferencesBody, profileBody, roleBody } from "../protocol/bodies.js";
import type { Failure } from "../protocol/codes.js";
import type { Summary } from "../../projections/queries/queries.js";
import { json, noContent } from "./answers.js";
import { bodyOf, conversationOf, patchOf, type Handler } from "./call.js";
import { answerAsLeft, ok, visible } from "./conversations.js";
import { readMe } from "./reads.js";

/** Changes of what is there: groups, roles, the caller's preferences, profile and devices. */

export const changeGroup: Handler = async (rest, call) => {
  const id = conversationOf(call);
  if (E.isLeft(id)) return id;
  const body = patchOf(call, groupBody);
  if (E.isLeft(body)) return body;
  // A caller that changes nothing needs no leave to do so, in a direct conversation either.
  if (Object.keys(body.right).length === 0) {
    const summary = await visible(rest, call, () => rest.app.queries.summary(call.actor, id.right));
    return E.map(({ conversation }: Summary) => json(200, conversation))(summary);
  }
  const command = { conversationId: id.right, ...body.right };
  const outcome = await rest.app.commands.changeSettings(command, call.context);
  if (E.isLeft(outcome)) return outcome;
  return ok(await answerAsLeft(rest, call, outcome.right.state, outcome.right.position));
};

export const changeRole: Handler = async (rest, call) => {
  const id = conversationOf(call);
  if (E.isLeft(id)) return id;
  const body = bodyOf(call, roleBody);
  if (E.isLeft(body)) return body;
  const { userId = "" } = call.params;
  const { role } = body.right;
  const outcome = await rest.app.commands.changeRole({ conversationId: id.right, userId, role }, call.context);
  if (E.isLeft(outcome)) return outcome;
  rest.shared.wrote(call.actor.userId, outcome.right.position);
  return E.right(json(200, { userId, role }));
};

export const changePreferences: Handler = async (rest, call) => {
  const id = conversationOf(call);
  if (E.isLeft(id)) return id;
  const body = patchOf(call, preferencesBody);
  if (E.isLeft(body)) return body;
  const command = { conversationId: id.right, ...body.right };
  const outcome = await rest.app.commands.changePreferences(command, call.context);
  if (E.isLeft(outcome)) return outcome;
  const { pinned, archived, mutedUntil, position } = outcome.right;
  rest.shared.wrote(call.actor.userId, position);
  return E.right(json(200, { pinned, archived, mutedUntil }));
};

export const changeMe: Handler = async (rest, call) => {
  const body = patchOf(call, profileBody);
  if (E.isLeft(body)) return body;
  const outcome = await rest.app.commands.changeProfile(body.right, call.context);
  if (E.isLeft(outcome)) return outcome;
  rest.shared.wrote(call.actor.userId, outcome.right.position);
  return ok(await visible(rest, call, () => readMe(rest, call)));
};

export const removeDevice: Handler = async (rest, call): Promise<Either<Failure, HttpResponse>> => {
  const { deviceId = "" } = call.params;
  const outcome = await rest.app.commands.removeDevice({ deviceId }, call.context);
  if (E.isLeft(outcome)) return outcome;
  rest.shared.wrote(call.actor.userId, outcome.right.position);
  // Whoever follows the log says so too, but its token must not pass once this is answered.
  rest.shared.deviceRemoved(call.actor.userId, deviceId);
  return E.right(noContent());
};
