import { E } from "../../domain/kernel/fp.js";
import type { Me } from "../../projections/queries/queries.js";
import { profileBody } from "../protocol/bodies.js";
import type { Caller } from "./call.js";
import { changing, reading, removing, type Answered } from "./route.js";
import { ownWritesVisible } from "./visible.js";

/** The log knows to the day when a device was used; the one that asks is used now. */
const readMe = async ({ app, actor, context }: Caller): Answered<Me> => {
  const answer = await app.queries.me(actor);
  if (E.isLeft(answer)) return answer;
  const lastUses = await app.lastUses(actor.userId);
  const devices = answer.right.devices.map((device) => {
    const used = device.current ? context.now : (lastUses.get(device.deviceId) ?? 0);
    return { ...device, lastSeen: Math.max(device.lastSeen, used) };
  });
  return E.right({ ...answer.right, devices });
};

/** The caller and their devices; other people. */
export const peopleRoutes = [
  reading({ method: "GET", path: "/me", run: readMe }),
  changing({
    method: "PUT",
    path: "/me",
    body: profileBody,
    emptyBody: true,
    run: ({ app, body, context }) => app.commands.changeProfile(body, context),
    answer: (_, call) => ownWritesVisible(call, () => readMe(call)),
  }),
  reading({
    method: "GET",
    path: "/me/devices",
    run: async (call) => E.map(({ devices }: Me) => ({ devices }))(await readMe(call)),
  }),
  removing({
    method: "DELETE",
    path: "/me/devices/{deviceId}",
    run: async ({ app, deviceAccess, actor, path, context }) => {
      const outcome = await app.commands.removeDevice(path, context);
      // The log's follower says so too, but the device's token must not pass once this is answered.
      if (E.isRight(outcome)) deviceAccess.deviceRemoved(actor.userId, path.deviceId);
      return outcome;
    },
  }),
  reading({
    method: "GET",
    path: "/users/{userId}",
    run: ({ app, path }) => app.queries.user(path.userId),
  }),
] as const;
