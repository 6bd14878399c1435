import { createSecretKey } from "node:crypto";
import jwt from "jsonwebtoken";
import { E, type Either } from "../../domain/kernel/fp.js";
import { isDeviceId, isUserId, type Actor } from "../../domain/kernel/ids.js";
import type { Authenticator, Claims } from "../../gateway/ports.js";

export type JwtAuthenticator = {
  /** Answers at once: what an upgrade should be given, and what a storm of reconnects needs. Never throws. */
  readonly check: (token: string) => Either<string, Claims>;
  /** The same as the port wants it. */
  readonly authenticate: Authenticator;
};

/**
 * Tokens signed with the shared secret (PROTOCOL §3): HS256 alone, `sub` = user, `device` = device, `exp` required,
 * `iat` optional. Issuer and audience say nothing here: whoever has the secret is the application.
 *
 * By jsonwebtoken and not jose, because it answers synchronously: an upgrade after an `await` cannot be corked, which
 * costs some thirty small writes for each connection.
 */
export const createJwtAuthenticator = (options: {
  readonly secret: Uint8Array;
  readonly clock?: () => number;
}): JwtAuthenticator => {
  const key = createSecretKey(options.secret);
  const clock = options.clock ?? Date.now;
  const check = (token: string): Either<string, Claims> => {
    try {
      const clockTimestamp = Math.floor(clock() / 1000);
      const { header, payload } = jwt.verify(token, key, { algorithms: [algorithm], clockTimestamp, complete: true });
      // An extension that must be understood (RFC 7515 §4.1.11), of which none is.
      if ("crit" in header) return E.left("The token's header asks for what is not known here.");
      return claimsOf(payload);
    } catch (error) {
      return E.left(refusalOf(error));
    }
  };
  return { check, authenticate: (token) => Promise.resolve(check(token)) };
};

/** For the CLI and tests. `ttlSeconds` from now on; the times in a token are whole seconds. */
export const signToken = (
  { userId, deviceId }: Actor,
  options: { readonly secret: Uint8Array; readonly ttlSeconds: number; readonly clock?: () => number },
): string => {
  const iat = Math.floor((options.clock ?? Date.now)() / 1000);
  const claims = { sub: userId, device: deviceId, iat, exp: iat + options.ttlSeconds };
  return jwt.sign(claims, createSecretKey(options.secret), { algorithm });
};

const algorithm = "HS256";

const claimsOf = (payload: string | jwt.JwtPayload): Either<string, Claims> => {
  if (typeof payload === "string") return E.left("The token is malformed.");
  const { sub, device, exp, iat } = payload as Readonly<Record<string, unknown>>;
  if (!isUserId(sub)) return E.left("The token's sub is not a user id.");
  if (!isDeviceId(device)) return E.left("The token's device is not a device id.");
  if (!isTime(exp)) return E.left("The token has no exp, or one that is not a time.");
  if (iat !== undefined && !isTime(iat)) return E.left("The token's iat is not a time.");
  const claims: Claims = { userId: sub, deviceId: device, expiresAt: exp * 1000 };
  return E.right(iat === undefined ? claims : { ...claims, issuedAt: iat * 1000 });
};

/** Seconds since 1970. */
const isTime = (value: unknown): value is number => Number.isFinite(value);

/** Says what the token's owner can mend, and nothing that helps to forge one. */
const refusalOf = (error: unknown): string => {
  if (error instanceof jwt.TokenExpiredError) return "The token has expired.";
  if (error instanceof jwt.NotBeforeError) return "The token is not valid yet.";
  const reason = error instanceof jwt.JsonWebTokenError ? error.message : "";
  if (reason === "invalid signature") return "The token's signature is not right.";
  if (reason === "invalid algorithm") return "The token is not signed with HS256.";
  return "The token is malformed.";
};
