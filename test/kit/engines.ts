/** Addresses of the servers that `npm run test:stack` starts, or that the environment names. */
export type EngineVariable =
  "PARLEY_EVENTSTORE_URL" | "PARLEY_MONGODB_URL" | "PARLEY_NATS_URL" | "PARLEY_REDIS_URL" | "PARLEY_S3_URL";

/**
 * The address of a server that tests need. Undefined, with the reason printed, where there is none: those tests are
 * skipped then.
 * @throws Error when CI is set: there a missing server is a failure.
 */
export const engine = (variable: EngineVariable): string | undefined => {
  const address = process.env[variable];
  if (address !== undefined && address !== "") return address;
  const reason = `${variable} is not set: npm run test:stack starts the servers and sets it`;
  if (process.env.CI === "true") throw new Error(reason);
  process.stderr.write(`skipped: ${reason}\n`);
  return undefined;
};
