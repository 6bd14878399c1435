import { E } from "../../domain/kernel/fp.js";
import { defaultPrivacy } from "../../domain/user/user.events.js";
import { reject } from "../../domain/rejections.js";
import { sealedAs } from "../../domain/kernel/sealed.js";
import type { OpenContent } from "../ports/open-content.js";
import type { UserRow } from "../ports/rows.js";
import type { ViewReads } from "../ports/view-store.js";
import type { PublicUser, Queries } from "./queries.js";

export type UserDependencies = { readonly reads: Pick<ViewReads, "user" | "devices">; readonly open: OpenContent };

/** `GET /users/{userId}`: any user who was ever seen. */
export const userQuery =
  ({ reads, open }: UserDependencies): Queries["user"] =>
  async (userId) => {
    const user = await reads.user(userId);
    return user === undefined ? E.left(userNotFound) : E.right(await publicUserOf(user, open));
  };

const userNotFound = reject("USER_NOT_FOUND", "Nobody of that id was ever seen here.");

/** `GET /me`. The token names the caller, so there is an answer even before the views have seen them. */
export const meQuery =
  ({ reads, open }: UserDependencies): Queries["me"] =>
  async (actor) => {
    const [user, devices] = await Promise.all([reads.user(actor.userId), reads.devices(actor.userId)]);
    return E.right({
      ...(user === undefined ? { userId: actor.userId } : await publicUserOf(user, open)),
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

/** A display name whose key is gone is as one that was taken away. */
const publicUserOf = async (user: UserRow, open: OpenContent): Promise<PublicUser> => {
  const { userId, avatarMediaId } = user;
  const displayName = user.displayName && (await open(sealedAs.displayName(userId), user.displayName, userId));
  return {
    userId,
    ...(displayName === null ? {} : { displayName }),
    ...(avatarMediaId === null ? {} : { avatarMediaId }),
  };
};
