import { E } from "../../domain/kernel/fp.js";
import { gatewayLimits as bounds } from "../limits.js";
import { malformed } from "../protocol/details.js";
import { historyQuery, membersQuery } from "../protocol/queries.js";
import { syncCodec } from "../protocol/sync-body.js";
import { json } from "./answers.js";
import { bodyOf, conversationOf, queryOf, type Call, type Handler, type RestContext } from "./call.js";
import { ok, visible } from "./conversations.js";

/** Members, history, message info, sync and people. */

export const members: Handler = async (rest, call) => {
  const id = conversationOf(call);
  if (E.isLeft(id)) return id;
  const query = queryOf(call, membersQuery);
  if (E.isLeft(query)) return query;
  const page = { limit: bounds.pageMax, ...query.right };
  return ok(await visible(rest, call, () => rest.app.queries.members(call.actor, id.right, page)));
};

export const history: Handler = async (rest, call) => {
  const id = conversationOf(call);
  if (E.isLeft(id)) return id;
  const query = queryOf(call, historyQuery);
  if (E.isLeft(query)) return query;
  if (query.right.before !== undefined && query.right.after !== undefined)
    return E.left(malformed([{ field: "after", expected: "nothing beside before" }]));
  const page = { limit: bounds.pageDefault, ...query.right };
  return ok(await visible(rest, call, () => rest.app.queries.history(call.actor, id.right, page)));
};

export const receipts: Handler = async (rest, call) => {
  const id = conversationOf(call);
  if (E.isLeft(id)) return id;
  const query = queryOf(call, membersQuery);
  if (E.isLeft(query)) return query;
  const { messageId = "" } = call.params;
  const page = { limit: bounds.pageMax, ...query.right };
  return ok(await visible(rest, call, () => rest.app.queries.receipts(call.actor, id.right, messageId, page)));
};

export const sync: Handler = async (rest, call) => {
  const body = bodyOf(call, syncCodec);
  return E.isLeft(body) ? body : ok(await rest.shared.sync(call.actor, body.right));
};

export const me: Handler = async (rest, call) => ok(await visible(rest, call, () => readMe(rest, call)));

/** The log knows to the day when a device was used; the one that asks is used now. */
export const readMe = async ({ app }: RestContext, { actor, context }: Call) => {
  const answer = await app.queries.me(actor);
  if (E.isLeft(answer)) return answer;
  const lastUses = await app.lastUses(actor.userId);
  const devices = answer.right.devices.map((device) => {
    const used = device.current ? context.now : (lastUses.get(device.deviceId) ?? 0);
    return { ...device, lastSeen: Math.max(device.lastSeen, used) };
  });
  return E.right({ ...answer.right, devices });
};

export const devices: Handler = async (rest, call) => {
  const answer = await visible(rest, call, () => readMe(rest, call));
  return E.isLeft(answer) ? answer : E.right(json(200, { devices: answer.right.devices }));
};

export const user: Handler = async (rest, call) =>
  ok(await visible(rest, call, () => rest.app.queries.user(call.params.userId ?? "")));
