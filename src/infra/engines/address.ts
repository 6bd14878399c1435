/**
 * What of an engine's address may be said: hosts and ports, without scheme, user, password, path and parameters. Whatever
 * stands before the last @ may be a password, also one that was not percent-encoded; several addresses come by commas.
 */
export const hostsOf = (address: string): string =>
  address
    .split(/,(?=\s*[\w+]+:\/\/)/)
    .map((one) =>
      one
        .trim()
        .replace(/^[^:]*:\/\//, "")
        .replace(/^.*@/s, "")
        .replace(/[/?#].*$/s, ""),
    )
    .join(", ");
