type Environment = Readonly<Record<string, string | undefined>>;

const secretVariables = [
  "PARLEY_MASTER_KEY",
  "PARLEY_MASTER_KEYS_ALSO",
  "PARLEY_TOKEN_SECRET",
  "PARLEY_S3_SECRET_KEY",
  "PARLEY_TREE_WITNESS_S3_SECRET_KEY",
  "PARLEY_EVENTSTORE_TOKEN",
];
/** Anything shorter would blot out letters everywhere, which hides nothing. */
const secretCharsMin = 3;

/**
 * Takes the environment's secrets out of a text: drivers quote in their errors what they could not read. Passwords (or a
 * token alone) of addresses count, as they stand and decoded, and so do parameters that are called like a secret.
 */
export const withoutSecrets = (environment: Environment): ((text: string) => string) => {
  const secrets = Object.entries(environment).flatMap(([name, value = ""]) => {
    if (secretVariables.includes(name)) return [value, value.trim(), ...value.split(",").map((part) => part.trim())];
    return /^PARLEY_\w+_URL$/.test(name) ? secretsOf(value) : [];
  });
  // The longest first: one secret may be a part of another.
  const all = [...new Set(secrets)]
    .filter((secret) => secret.length >= secretCharsMin)
    .sort((a, b) => b.length - a.length);
  return (text) => all.reduce((shown, secret) => shown.replaceAll(secret, "…"), text);
};

/** One address, or several by commas. */
const secretsOf = (addresses: string): readonly string[] =>
  addresses.split(/,(?=[\w+]+:\/\/)/).flatMap((address) => {
    const userInfo = /:\/\/(.*)@/s.exec(address)?.[1] ?? "";
    const password = userInfo.includes(":") ? userInfo.slice(userInfo.indexOf(":") + 1) : userInfo;
    const parameters = [...address.matchAll(/[?&][^=&]*(?:password|secret|token)[^=&]*=([^&#]*)/gi)];
    const secrets = [password, ...parameters.map(([, value = ""]) => value)];
    // A password that was not encoded falls apart where it is parsed, and its pieces are quoted as host and port.
    return [...secrets, ...secrets.map(decoded), ...password.split(/[@/:?#,&\s]/)];
  });

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    // It was not encoded then.
    return text;
  }
};
