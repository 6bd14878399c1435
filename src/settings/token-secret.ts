/** HMAC-SHA256 is as strong as its key. Bytes; a shorter secret than the first can be tried out. */
export const tokenSecretBytesMin = 16;
/** Below it an operator is warned, not locked out: tokens of before are signed with what there is. */
export const tokenSecretBytesAdvised = 32;

export type SecretStrength = "guessable" | "short" | "strong";

/**
 * The one judgement of a token secret's length. The distributed profile refuses to start with a guessable one, the
 * embedded one takes whatever is not empty and warns; both doctors say of each the same.
 */
export const strengthOf = ({ length }: Pick<Uint8Array, "length">): SecretStrength =>
  length < tokenSecretBytesMin ? "guessable" : length < tokenSecretBytesAdvised ? "short" : "strong";

/** The bytes of PARLEY_TOKEN_SECRET, none where it is empty; undefined where it is not set. */
export const givenTokenSecret = ({
  PARLEY_TOKEN_SECRET: given,
}: Readonly<Record<string, string | undefined>>): Buffer | undefined =>
  given === undefined ? undefined : Buffer.from(given);
