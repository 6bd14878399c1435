import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from "node:crypto";
import { SignJWT } from "jose";
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
 * jose only checks asynchronously, on a thread pool, at a dozen times the cost; so HS256 is checked here, and the tests
 * compare every verdict with jose's.
 */
export const createJwtAuthenticator = (options: {
  readonly secret: Uint8Array;
  readonly clock?: () => number;
}): JwtAuthenticator => {
  const key = createSecretKey(options.secret);
  const clock = options.clock ?? Date.now;
  const check = (token: string): Either<string, Claims> => {
    const payload = verifiedPayload(token, key);
    return E.isLeft(payload) ? payload : claimsOf(payload.right, clock());
  };
  return { check, authenticate: (token) => Promise.resolve(check(token)) };
};

/** For the CLI and tests. `ttlSeconds` from now on; the times in a token are whole seconds. */
export const signToken = (
  { userId, deviceId }: Actor,
  options: { readonly secret: Uint8Array; readonly ttlSeconds: number; readonly clock?: () => number },
): Promise<string> => {
  const issuedAt = Math.floor((options.clock ?? Date.now)() / 1000);
  return new SignJWT({ device: deviceId })
    .setProtectedHeader({ alg: algorithm, typ: "JWT" })
    .setSubject(userId)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + options.ttlSeconds)
    .sign(createSecretKey(options.secret));
};

const algorithm = "HS256";

type JsonObject = Readonly<Record<string, unknown>>;

/** The signature is compared before anything that it covers is believed; the header says only whether it is ours to check. */
const verifiedPayload = (token: string, key: KeyObject): Either<string, JsonObject> => {
  const [header, payload, signature, ...more] = token.split(".");
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) return malformed;
  const protectedHeader = jsonObject(header);
  if (protectedHeader === undefined) return malformed;
  if (protectedHeader.alg !== algorithm) return E.left("The token is not signed with HS256.");
  // An extension that must be understood (RFC 7515 §4.1.11), of which none is.
  if (protectedHeader.crit !== undefined) return E.left("The token's header asks for what is not known here.");
  if (!isSignature(signature, createHmac("sha256", key).update(`${header}.${payload}`).digest("base64url")))
    return E.left("The token's signature is not right.");
  const claims = jsonObject(payload);
  return claims === undefined ? malformed : E.right(claims);
};

const malformed = E.left("The token is malformed.");

/** As text: of the spellings that decode to the same bytes only the proper one is taken. In constant time. */
const isSignature = (given: string, expected: string): boolean => {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)];
  return one.length === other.length && timingSafeEqual(one, other);
};

const jsonObject = (part: string): JsonObject | undefined => {
  if (!/^[A-Za-z0-9_-]+$/.test(part)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
  } catch {
    // Not JSON: what a malformed token is, and no failure of ours.
    return undefined;
  }
};

const claimsOf = ({ sub, device, exp, iat, nbf }: JsonObject, now: number): Either<string, Claims> => {
  if (!isUserId(sub)) return E.left("The token's sub is not a user id.");
  if (!isDeviceId(device)) return E.left("The token's device is not a device id.");
  if (!isTime(exp)) return E.left("The token has no exp, or one that is not a time.");
  if (iat !== undefined && !isTime(iat)) return E.left("The token's iat is not a time.");
  if (nbf !== undefined && !isTime(nbf)) return E.left("The token's nbf is not a time.");
  const seconds = Math.floor(now / 1000);
  if (exp <= seconds) return E.left("The token has expired.");
  if (nbf !== undefined && nbf > seconds) return E.left("The token is not valid yet.");
  const claims: Claims = { userId: sub, deviceId: device, expiresAt: exp * 1000 };
  return E.right(iat === undefined ? claims : { ...claims, issuedAt: iat * 1000 });
};

/** Seconds since 1970. */
const isTime = (value: unknown): value is number => Number.isFinite(value);
