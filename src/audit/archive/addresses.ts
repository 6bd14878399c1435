import type { UserId } from "../../domain/kernel/ids.js";

/**
 * Archives know people by mail addresses, Parley by ids. An id that is an address stands for itself; any other gets a
 * domain: a name that RFC 2606 keeps for nobody, unless the operator names their own.
 */
export const unknownDomain = "parley.invalid";

/** What an archive can match with its directory of people. */
const addressPattern = /^[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/;
export const isDomain = (value: string): boolean => /^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(value);

export const addressOf = (userId: UserId, domain: string): string =>
  addressPattern.test(userId) ? userId : `${userId.replace(/[^A-Za-z0-9_.+-]/g, encoded)}@${domain}`;

/** `=3A`: what an address could only have in quotes, which not every archive takes. */
const encoded = (char: string): string => `=${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
