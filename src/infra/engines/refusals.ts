/** In the words and codes of Redis, NATS, MongoDB, S3 and our adapter for EventStoreDB. */
const refusals =
  /\b(WRONGPASS|NOAUTH|NOPERM|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch)\b|(authorization|permissions)[ _]violation|authentication (failed|expired|timeout)|not authorized|requires authentication|refuses the user/i;

/** Whether the server is there and does not take our user, password, token or keys. */
export const isRefusal = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  return refusals.test(`${code} ${error.message}`) || isRefusal(error.cause);
};

/** Whether a file could not be read that the settings name: of drivers' settings, an authority or a certificate. */
export const isUnreadableFile = (error: unknown): boolean => {
  if (!(error instanceof Error)) return false;
  const { code, path } = error as NodeJS.ErrnoException;
  const isIt = path !== undefined && /^(ENOENT|EACCES|EISDIR|ENOTDIR)$/.test(code ?? "");
  return isIt || isUnreadableFile(error.cause);
};
