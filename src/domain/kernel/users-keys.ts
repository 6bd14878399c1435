import type { UserId } from "./ids.js";

/** Ids from `from` up to and without `to`, compared as bytes. */
export type KeyRange = { readonly from: string; readonly to: string };

/**
 * What a user's keys are named: months, which begin with a digit, and the profile. A conversation may be called as a user
 * is: its key is none of these.
 */
export const keysOfUser = (userId: UserId): readonly KeyRange[] => [
  // What follows the digits, and the slash.
  { from: `${userId}/0`, to: `${userId}/:` },
  { from: `${userId}/profile`, to: `${userId}/profile0` },
];

/** The user whose erasure ends the key; undefined for a conversation's and for what is no data key. */
export const ownerOf = (keyId: string): UserId | undefined => {
  const end = keyId.indexOf("/");
  if (end <= 0 || keyId.startsWith("#")) return undefined;
  const userId = keyId.slice(0, end);
  return keysOfUser(userId).some(({ from, to }) => keyId >= from && keyId < to) ? userId : undefined;
};

/** A key among the keys, which says that the user's were destroyed and are not to be made again. */
export const erasedMarkOf = (userId: UserId): string => `#erased/${userId}`;
