import { E, type Either } from "../../domain/kernel/fp.js";
import { isDeviceId, isUserId } from "../../domain/kernel/ids.js";
import { limits } from "../../domain/kernel/limits.js";
import type { Claims, TokenRefusal } from "../../gateway/ports.js";

/**
 * What a token whose signature is good must say (PROTOCOL §3), whichever key signed it. `now` in Unix milliseconds. The
 * clock of an issuer may be a minute ahead of this machine's, in `nbf` as in `iat`; how the libraries look at the times of
 * a token differs, and neither knows such a tolerance without one for `exp`.
 */
export const claimsOf = (payload: unknown, now: number): Either<TokenRefusal, Claims> => {
  if (typeof payload !== "object" || payload === null) return refused("The token is malformed.");
  const { sub, device, exp, iat, nbf } = payload as Readonly<Record<string, unknown>>;
  if (!isUserId(sub)) return refused("The token's sub is not a user id.");
  if (!isDeviceId(device)) return refused("The token's device is not a device id.");
  if (!isTime(exp)) return refused("The token has no exp, or one that is not a time.");
  if (exp * 1000 <= now) return refused("The token has expired.");
  if (nbf !== undefined && !isTime(nbf)) return refused("The token's nbf is not a time.");
  if (nbf !== undefined && isAhead(nbf, now)) return refused("The token is not valid yet.");
  if (iat !== undefined && !isTime(iat)) return refused("The token's iat is not a time.");
  // Such a token would be newer than any removal of its device to come.
  if (iat !== undefined && isAhead(iat, now)) return refused("The token's iat lies in the future.");
  const claims: Claims = { userId: sub, deviceId: device, expiresAt: exp * 1000 };
  return E.right(iat === undefined ? claims : { ...claims, issuedAt: iat * 1000 });
};

const isAhead = (seconds: number, now: number): boolean => seconds * 1000 > now + limits.clockAheadMsMax;

/** Seconds since 1970. */
const isTime = (value: unknown): value is number => Number.isFinite(value);

export const refused = (message: string): Either<TokenRefusal, never> => E.left({ code: "UNAUTHORIZED", message });
