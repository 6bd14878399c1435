import { errors, jwtVerify } from "jose";
import { E, type Either } from "../../domain/kernel/fp.js";
import { limits } from "../../domain/kernel/limits.js";
import type { Authenticator, Claims, TokenRefusal } from "../../gateway/ports.js";
import { claimsOf, refused } from "./claims.js";
import { createJwksKeys, KeysUnavailable, type JwksKeysOptions } from "./jwks-keys.js";

export type JwksOptions = JwksKeysOptions & {
  /** `iss` and `aud` that a token must have; undefined: not looked at. */
  readonly issuer?: string;
  readonly audience?: string;
};

const algorithms = ["RS256", "ES256", "EdDSA"];
export const isJwksAlgorithm = (alg: string | undefined): boolean => alg !== undefined && algorithms.includes(alg);

/**
 * Tokens of an identity provider, by the keys that it publishes. UNAVAILABLE only for a token whose key is not known
 * while the keys cannot be fetched: it may well be good, so that a 401, which makes clients throw it away and ask a
 * provider that is perhaps down for another, would be wrong. Everything else that is wrong is UNAUTHORIZED.
 *
 * @throws TypeError when `url` is not an http(s) URL
 */
export const createJwksAuthenticator = (options: JwksOptions, clock: () => number): Authenticator => {
  const keys = createJwksKeys(options, clock);
  const { issuer, audience } = options;
  const bound = { ...(issuer === undefined ? {} : { issuer }), ...(audience === undefined ? {} : { audience }) };
  return async (token): Promise<Either<TokenRefusal, Claims>> => {
    try {
      const currentDate = new Date(clock());
      const { payload } = await jwtVerify(token, keys, { algorithms, currentDate, clockTolerance, ...bound });
      return claimsOf(payload, currentDate.getTime());
    } catch (error) {
      return refusalOf(error);
    }
  };
};

/** Wider than what `claimsOf` lets pass, which judges the times exactly; seconds. */
const clockTolerance = limits.clockAheadMsMax / 1000 + 1;

const claimMessages: Readonly<Record<string, string>> = {
  iss: "The token's iss is not the issuer that this server trusts.",
  aud: "The token's aud is not this server's.",
  nbf: "The token is not valid yet.",
};

/** Says what the token's owner can mend, and nothing that helps to forge one. */
const refusalOf = (error: unknown): Either<TokenRefusal, never> => {
  if (error instanceof KeysUnavailable)
    return E.left({ code: "UNAVAILABLE", message: "The keys that tokens are checked with cannot be fetched now." });
  if (error instanceof errors.JWTExpired) return refused("The token has expired.");
  if (error instanceof errors.JWTClaimValidationFailed)
    return refused(claimMessages[error.claim] ?? `The token's ${error.claim} is not right.`);
  if (error instanceof errors.JWKSNoMatchingKey)
    return refused("The token's key (kid) is none that this server trusts.");
  if (error instanceof errors.JWKSMultipleMatchingKeys)
    return refused("The token does not say which key (kid) it is of.");
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused("The token's signature is not right.");
  return refused("The token is malformed.");
};
