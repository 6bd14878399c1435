import type { LockMode, LockOptions } from "../infra/blob-store/s3/locked-objects.js";

/** How often heads of the tree are signed, and who outside is told of them. */
export type TreeSettings = {
  /** A head is due after so many events. */
  readonly headEvents: number;
  /** And after so long, when there were any. */
  readonly headSeconds: number;
  /** Each head is appended to it, a JSON text a line. */
  readonly witnessFile?: string;
  /** Each head is posted there. */
  readonly witnessUrl?: string;
  /** Each head is put there as an object that is locked. */
  readonly witnessS3?: LockOptions;
};

export const treeVariables = [
  ...["PARLEY_TREE_HEAD_EVENTS", "PARLEY_TREE_HEAD_SECONDS"],
  ...["PARLEY_TREE_WITNESS_FILE", "PARLEY_TREE_WITNESS_URL"],
  ...["PARLEY_TREE_WITNESS_S3_URL", "PARLEY_TREE_WITNESS_S3_BUCKET", "PARLEY_TREE_WITNESS_S3_REGION"],
  ...["PARLEY_TREE_WITNESS_S3_ACCESS_KEY", "PARLEY_TREE_WITNESS_S3_SECRET_KEY"],
  ...["PARLEY_TREE_WITNESS_S3_MODE", "PARLEY_TREE_WITNESS_S3_DAYS"],
] as const;

/** A head is an append as any other: 1,440 a day at most while nobody writes much. */
const headEventsDefault = 10_000;
const headSecondsDefault = 60;

/** The environment alone gives it: how a log is witnessed does not change from one start to the next. */
export const readTreeSettings = (
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): TreeSettings => {
  const whole = (name: string, max: number, otherwise: number): number => {
    const given = environment[name];
    if (given === undefined || given === "") return otherwise;
    const value = Number(given);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    problems.push(`${name} is ${JSON.stringify(given)}; it must be a whole number from 1 to ${max}`);
    return otherwise;
  };
  const { PARLEY_TREE_WITNESS_FILE: witnessFile, PARLEY_TREE_WITNESS_URL: witnessUrl } = environment;
  // The problem does not quote the value, which may hold a password.
  if (witnessUrl && !(URL.canParse(witnessUrl) && /^https?:$/.test(new URL(witnessUrl).protocol)))
    problems.push("PARLEY_TREE_WITNESS_URL must be an http or https URL");
  const witnessS3 = readWitnessS3(environment, problems);
  return {
    headEvents: whole("PARLEY_TREE_HEAD_EVENTS", 1_000_000, headEventsDefault),
    headSeconds: whole("PARLEY_TREE_HEAD_SECONDS", 86_400, headSecondsDefault),
    ...(witnessFile ? { witnessFile } : {}),
    ...(witnessUrl ? { witnessUrl } : {}),
    ...(witnessS3 === undefined ? {} : { witnessS3 }),
  };
};

const lockModes: readonly string[] = ["compliance", "governance"] satisfies LockMode[];
/** What S3 takes. */
const lockDaysMax = 36_500;

/** There is no time by default: what is locked cannot be removed by anybody, and is paid for. */
const readWitnessS3 = (
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): LockOptions | undefined => {
  const url = environment.PARLEY_TREE_WITNESS_S3_URL ?? "";
  if (url === "") return undefined;
  const needed = (name: string, what: string): string => {
    const value = environment[name] ?? "";
    if (value === "") problems.push(`${name} is missing; PARLEY_TREE_WITNESS_S3_URL needs it: ${what}`);
    return value;
  };
  const otherwise = (name: string, value: string): string => {
    const chosen = environment[name] ?? "";
    return chosen === "" ? value : chosen;
  };
  const bucket = needed("PARLEY_TREE_WITNESS_S3_BUCKET", "a bucket with object lock");
  const accessKey = needed("PARLEY_TREE_WITNESS_S3_ACCESS_KEY", "keys that may put objects with a retention");
  const secretKey = needed("PARLEY_TREE_WITNESS_S3_SECRET_KEY", "keys that may put objects with a retention");
  const given = needed(
    "PARLEY_TREE_WITNESS_S3_DAYS",
    `for how long a head cannot be removed, 1 to ${lockDaysMax} days`,
  );
  const [days, mode] = [Number(given), otherwise("PARLEY_TREE_WITNESS_S3_MODE", "compliance")];
  const isOrigin = URL.canParse(url) && /^https?:\/\/[^/?#@]+\/?$/.test(url);
  if (!isOrigin)
    problems.push("PARLEY_TREE_WITNESS_S3_URL must be an address like https://s3.example.org, without a path");
  if (bucket !== "" && !/^[a-z0-9.-]{3,63}$/.test(bucket))
    problems.push("PARLEY_TREE_WITNESS_S3_BUCKET must be a bucket's name");
  if (given !== "" && !(Number.isInteger(days) && days >= 1 && days <= lockDaysMax))
    problems.push(
      `PARLEY_TREE_WITNESS_S3_DAYS is ${JSON.stringify(given)}; it must be a whole number from 1 to ${lockDaysMax}`,
    );
  if (!isLockMode(mode)) {
    problems.push(`PARLEY_TREE_WITNESS_S3_MODE is ${JSON.stringify(mode)}; it must be ${lockModes.join(" or ")}`);
    return undefined;
  }
  return {
    url,
    bucket,
    accessKey,
    secretKey,
    region: otherwise("PARLEY_TREE_WITNESS_S3_REGION", "us-east-1"),
    mode,
    days,
  };
};

const isLockMode = (text: string): text is LockMode => lockModes.includes(text);
