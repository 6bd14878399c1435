/** In the words and codes of Node and OpenSSL, which every driver hands on in its own way. */
const problems: readonly (readonly [RegExp, string])[] = [
  [
    /self[- ]signed certificate|SELF_SIGNED_CERT|unable to (get (local )?issuer|verify the first) certificate|UNABLE_TO_(GET_ISSUER|VERIFY_LEAF)/i,
    "its certificate is of an authority that is not known here",
  ],
  [/certificate has expired|CERT_HAS_EXPIRED/i, "its certificate has expired"],
  [/certificate is not yet valid|CERT_NOT_YET_VALID/i, "its certificate is not valid yet (or the clock is wrong)"],
  [/does not match certificate's altnames|ALTNAME_INVALID/i, "its certificate is for other names than the address has"],
  [/wrong version number|packet length too long/i, "it does not speak TLS there"],
];

/** What keeps a server that is there from being spoken to by TLS, as the end of a sentence; undefined when it is not that. */
export const tlsProblem = (error: unknown): string | undefined => {
  if (!(error instanceof Error)) return undefined;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const [, says] = problems.find(([words]) => words.test(`${code} ${error.message}`)) ?? [];
  const within = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [];
  return says ?? [error.cause, ...within].map(tlsProblem).find((problem) => problem !== undefined);
};
