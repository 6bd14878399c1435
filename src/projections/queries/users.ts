import { E } from "../../domain/kernel/fp.js";
import { defaultPrivacy } from "../../domain/user/user.events.js";
import { reject } from "../../domain/rejections.js";
import type { UserRow, ViewReads } from "../ports.js";
import type { PublicUser, Queries } from "./queries.js";

export type UserDependencies = { readonly reads: Pick<ViewReads, "user" | "devices"> };

/** `GET /users/{userId}`: anybody who was ever seen. */
export const userQuery =
  ({ reads }: UserDependencies): Queries["user"] =>
  async (userId) => {
    const user = await reads.user(userId);
    return user === undefined ? E.left(userNotFound) : E.right(publicUserOf(user));
  };

const userNotFound = reject("USER_NOT_FOUND", "Nobody of that id was ever seen here.");

/** `GET /me`. The token says who asks, so there is an answer even before the views have seen them. */
export const meQuery =
  ({ reads }: UserDependencies): Queries["me"] =>
  async (actor) => {
    const [user, devices] = await Promise.all([reads.user(actor.userId), reads.devices(actor.userId)]);
    return E.right({
      ...(user === undefined ? { userId: actor.userId } : publicUserOf(user)),
      privacy: user?.privacy ?? defaultPrivacy,
      devices: devices.map(({ deviceId, deviceType, registeredAt }) => ({
        deviceId,
        deviceType,
        lastSeen: registeredAt,
        ...(deviceId === actor.deviceId ? { current: true as const } : {}),
      })),
      blocks: [],
    });
  };

const publicUserOf = ({ userId, displayName, avatarMediaId }: UserRow): PublicUser => ({
  userId,
  ...(displayName === null ? {} : { displayName }),
  ...(avatarMediaId === null ? {} : { avatarMediaId }),
});
