import { decodeProtectedHeader } from "jose";
import { type Either } from "../../domain/kernel/fp.js";
import type { Authenticator, Claims, TokenRefusal } from "../../gateway/ports.js";
import { refused } from "./claims.js";
import { createJwksAuthenticator, isJwksAlgorithm, type JwksOptions } from "./jwks.js";
import { createJwtAuthenticator } from "./jwt.js";

export type AuthenticatorOptions = {
  /** The application's; HS256. */
  readonly secret: Uint8Array;
  /** An identity provider's keys; RS256, ES256 and EdDSA. */
  readonly jwks?: JwksOptions;
  readonly clock?: () => number;
};

export type TokenAuthenticator = {
  /** At once for the shared secret, what an upgrade should be given; a promise for JWKS. Neither throws nor rejects. */
  readonly check: (token: string) => Either<TokenRefusal, Claims> | Promise<Either<TokenRefusal, Claims>>;
  /** The same as the port wants it. */
  readonly authenticate: Authenticator;
};

/**
 * Characters of a token, however it comes: what the headers of an upgrade or a call can hold (`headersBytesMax` of the
 * transport), and an `auth.refresh` takes the same. Whatever is longer costs no hash.
 */
const tokenCharsMax = 16 * 1024;
const tooLong = refused(`The token is longer than ${tokenCharsMax} characters.`);

/**
 * Both kinds of tokens of PROTOCOL §3. The header's `alg` chooses, and chooses a kind of key with it: a token that says
 * HS256 is only ever compared with the secret, so no public key can pass for one.
 *
 * @throws TypeError when the address of the keys is not an http(s) URL
 */
export const createAuthenticator = ({ secret, jwks, clock = Date.now }: AuthenticatorOptions): TokenAuthenticator => {
  const shared = createJwtAuthenticator({ secret, clock });
  const foreign = jwks === undefined ? undefined : createJwksAuthenticator(jwks, clock);
  const check: TokenAuthenticator["check"] = (token) => {
    if (token.length > tokenCharsMax) return tooLong;
    return foreign !== undefined && isJwksAlgorithm(algorithmOf(token)) ? foreign(token) : shared.check(token);
  };
  return { check, authenticate: async (token) => check(token) };
};

/** Undefined for what has no header: the check that follows says why it is no token. */
const algorithmOf = (token: string): string | undefined => {
  try {
    return decodeProtectedHeader(token).alg;
  } catch {
    return undefined;
  }
};
