import { randomBytes } from "node:crypto";
import type { Client } from "minio";
import { s3CodeOf, type S3Options } from "./client.js";
import { bucketThere, cleanUp, features, type Feature, type Probe } from "./features.js";
import type { Grants } from "./grants.js";

export type Conformance = {
  /** Nothing that is needed is missing. */
  readonly ok: boolean;
  readonly missing: readonly Lack[];
};
export type Lack = {
  readonly feature: string;
  /** False: Parley works without it, `fix` says what is lost. */
  readonly needed: boolean;
  readonly problem: string;
  readonly fix: string;
};

/** Tries each feature on a random prefix and removes what it has made. Without a bucket nothing else is tried. */
export const checkConformance = async (client: Client, grants: Grants, options: S3Options): Promise<Conformance> => {
  const prefix = `parley-conformance/${randomBytes(8).toString("hex")}`;
  const { bucket, region } = options;
  const probe = { client, grants, bucket, region, prefix, msMax: options.requestMsMax ?? 10_000 };
  const noBucket = await lackOf(bucketThere, probe);
  if (noBucket !== undefined) return { ok: false, missing: [noBucket] };
  const missing: Lack[] = [];
  for (const feature of [...features, cleanUp]) {
    const lack = await lackOf(feature, probe);
    if (lack !== undefined) missing.push(lack);
  }
  return { ok: missing.every(({ needed }) => !needed), missing };
};

const lackOf = async ({ feature, needed, fix, attempt }: Feature, probe: Probe): Promise<Lack | undefined> => {
  try {
    await attempt(probe);
    return undefined;
  } catch (error) {
    return { feature, needed, problem: problemOf(error), fix };
  }
};

const problemOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const said = [s3CodeOf(error), error.message].filter((part) => part !== undefined && part !== "").join(": ");
  // fetch says "fetch failed", and why in its cause.
  return error.cause instanceof Error ? `${said} (${error.cause.message})` : said || error.name;
};
