import { existsSync } from "node:fs";
import { join } from "node:path";
import { loadOrCreateSecret } from "../../infra/auth/secret.js";
import { reasonOf } from "../../lib/errors.js";
import { givenTokenSecret, strengthOf, tokenSecretBytesAdvised } from "../../settings/token-secret.js";
import type { Check } from "./check.js";

const name = "token secret";

/** The secret of a data directory is made by the first start; here it is only looked at. */
export const checkTokenSecret = async (
  dir: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<Check> => {
  const path = join(dir, "token.secret");
  const given = givenTokenSecret(environment);
  if (given === undefined && !existsSync(path))
    return { name, state: "warning", says: `${path} is not there yet; the first start makes it` };
  try {
    const secret = await loadOrCreateSecret(dir, given);
    return checkStrength(secret, given === undefined ? path : "PARLEY_TOKEN_SECRET");
  } catch (error) {
    return { name, state: "wrong", says: reasonOf(error), mend: "Make one with: openssl rand -base64 32" };
  }
};

/** The same of both profiles: one that can be tried out is wrong, a short one is warned of. */
export const checkStrength = (secret: Buffer, source: string): Check => {
  const says = `${secret.length} bytes, from ${source}`;
  const strength = strengthOf(secret);
  if (strength === "strong") return { name, state: "ok", says };
  return {
    name,
    state: strength === "short" ? "warning" : "wrong",
    says: `${says}, fewer than ${tokenSecretBytesAdvised}`,
    mend: "A short secret can be guessed; make one with: openssl rand -base64 32",
  };
};
