import { createSecretKey } from "node:crypto";
import jwt, { type VerifyOptions } from "jsonwebtoken";
import type { Either } from "../../domain/kernel/fp.js";
import type { Actor } from "../../domain/kernel/ids.js";
import type { Authenticator, Claims, TokenRefusal } from "../../gateway/ports.js";
import { claimsOf, refused } from "./claims.js";

export type JwtAuthenticator = {
  /** Answers at once: what an upgrade should be given, and what a storm of reconnects needs. Never throws. */
  readonly check: (token: string) => Either<TokenRefusal, Claims>;
  /** The same as the port wants it. */
  readonly authenticate: Authenticator;
};

/**
 * Tokens signed with the shared secret (PROTOCOL §3): HS256 alone, `sub` = user, `device` = device, `exp` required,
 * `iat` optional. Issuer and audience say nothing here: a holder of the secret is the application.
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
  const check = (token: string): Either<TokenRefusal, Claims> => {
    try {
      const now = clock();
      const { header, payload } = jwt.verify(token, key, timesLater);
      // An extension that must be understood (RFC 7515 §4.1.11), of which none is.
      if ("crit" in header) return refused("The token's header asks for what is not known here.");
      return claimsOf(payload, now);
    } catch (error) {
      return refused(refusalOf(error));
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
/** The signature alone: `claimsOf` judges the times. */
const timesLater: VerifyOptions & { readonly complete: true } = {
  ...{ algorithms: [algorithm], complete: true },
  ...{ ignoreExpiration: true, ignoreNotBefore: true },
};

/** Says what the token's owner can mend, and nothing that helps to forge one. */
const refusalOf = (error: unknown): string => {
  const reason = error instanceof jwt.JsonWebTokenError ? error.message : "";
  if (reason === "invalid signature") return "The token's signature is not right.";
  if (reason === "invalid algorithm") return "The token is not signed with HS256.";
  return "The token is malformed.";
};
