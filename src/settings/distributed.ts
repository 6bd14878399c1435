import type { S3Options } from "../infra/blob-store/s3/client.js";
import { masterKeysIn } from "../infra/key-store/master-key-file.js";
import type { MasterKeys } from "../infra/key-store/wrapping.js";
import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { E, t } from "../domain/kernel/fp.js";
import { erasureLedgerBeside } from "./erasure-ledger.js";
import { BadConfig, embeddedVariables, readConfig, type Config, type Flags } from "./config.js";
import { strengthOf, tokenSecretBytesMin } from "./token-secret.js";

export const roles = ["gateway", "projector", "all"] as const;
export type Role = (typeof roles)[number];

/** What a process of the distributed profile needs to know: everything by environment, but the role and the common flags. */
export type DistributedConfig = Omit<Config, "dataDir" | "eventStorePort"> & {
  readonly role: Role;
  /** Of this start of this process: never the same again. */
  readonly processId: string;
  /** `processId` without what changes with each start. */
  readonly processName: string;
  /** How many parts projectors share the log in; the same in every process. */
  readonly partitions: number;
  /** How long a process that starts waits for the engines that it needs; 0: not at all. */
  readonly startWaitSeconds: number;
  readonly eventStoreUrl: string;
  readonly mongo: MongoPlace;
  /** Where it stands who was erased: in no backup of `mongo`'s database. */
  readonly erasureLedger: MongoPlace;
  readonly natsUrl: string;
  readonly redisUrl: string;
  /** The first one wraps the data keys, all of them open. */
  readonly masterKeys: MasterKeys;
  readonly tokenSecret: Buffer;
  /** Absent until an operator configures it: nothing depends on it yet but its own check. */
  readonly s3?: S3Config;
};

export type MongoPlace = { readonly url: string; readonly database: string };
export type S3Config = Omit<S3Options, "requestMsMax">;

const string = (name: string, is: (text: string) => boolean) =>
  new t.Type<string, string, unknown>(
    name,
    (value): value is string => typeof value === "string" && is(value),
    (value, context) => (typeof value === "string" && is(value) ? t.success(value) : t.failure(value, context)),
    t.identity,
  );

const address = (name: string, schemes: RegExp) => string(name, (text) => schemes.test(text));

const whole = (min: number, max: number) =>
  string(`a whole number from ${min} to ${max}`, (text) => {
    const value = Number(text);
    return text.trim() !== "" && Number.isInteger(value) && value >= min && value <= max;
  });

/** Variable → codec and default. A value is never printed where it may hold a password. */
const variables = {
  PARLEY_ROLE: { codec: string("gateway, projector or all", isRole), otherwise: "all" },
  PARLEY_GATEWAY_ID: {
    codec: string("a name of A-Z a-z 0-9 _ -", (text) => /^[\w-]{1,64}$/.test(text)),
    otherwise: "",
  },
  PARLEY_PARTITIONS: { codec: whole(1, 256), otherwise: "8" },
  PARLEY_START_WAIT: { codec: whole(0, 86_400), otherwise: "60" },
  PARLEY_EVENTSTORE_URL: {
    codec: address("an address like esdb://host:2113?tls=false", /^(esdb|kurrentdb|kdb)(\+discover)?:\/\/./),
  },
  PARLEY_MONGODB_URL: {
    codec: address("an address like mongodb://host:27017/?replicaSet=rs0", /^mongodb(\+srv)?:\/\/./),
  },
  PARLEY_MONGODB_DATABASE: {
    codec: string("a name of A-Z a-z 0-9 _ -", (text) => /^[\w-]{1,63}$/.test(text)),
    otherwise: "parley",
  },
  PARLEY_ERASURE_LEDGER: {
    codec: address("an address like mongodb://host:27017/erasures?replicaSet=rs0", /^mongodb(\+srv)?:\/\/./),
    otherwise: "",
  },
  PARLEY_NATS_URL: { codec: address("an address like nats://host:4222", /^(nats|tls):\/\/./) },
  PARLEY_REDIS_URL: { codec: address("an address like redis://host:6379", /^rediss?:\/\/./) },
  PARLEY_MASTER_KEY: {
    codec: string(
      "32 bytes in base64 (make them with: openssl rand -base64 32)",
      (text) => masterKeysIn([text]) !== undefined,
    ),
  },
  PARLEY_MASTER_KEYS_ALSO: {
    codec: string(
      "master keys that only open, by commas, while keys are wrapped anew",
      (text) => masterKeysIn(text.split(",")) !== undefined,
    ),
    otherwise: "",
  },
  PARLEY_TOKEN_SECRET: {
    codec: string(
      `at least ${tokenSecretBytesMin} bytes (make them with: openssl rand -base64 48)`,
      (text) => strengthOf(Buffer.from(text)) !== "guessable",
    ),
  },
  PARLEY_S3_URL: { codec: address("an address like http://host:7070", /^https?:\/\/./), otherwise: "" },
  PARLEY_S3_PUBLIC_URL: {
    codec: string("the address that clients reach, like https://files.example.org, without a path", isOrigin),
    otherwise: "",
  },
  PARLEY_S3_ACCESS_KEY: { codec: string("a text that is not empty", (text) => text !== ""), otherwise: "" },
  PARLEY_S3_SECRET_KEY: { codec: string("a text that is not empty", (text) => text !== ""), otherwise: "" },
  PARLEY_S3_REGION: { codec: string("a region", (text) => text !== ""), otherwise: "us-east-1" },
  PARLEY_S3_BUCKET: {
    codec: string("a bucket's name", (text) => /^[a-z0-9.-]{3,63}$/.test(text)),
    otherwise: "parley",
  },
} as const satisfies Record<string, { readonly codec: t.Type<string, string>; readonly otherwise?: string }>;

/** The image names a data directory for both profiles. */
const embeddedOnly: readonly string[] = [
  ...["PARLEY_EVENTSTORE_HOST", "PARLEY_EVENTSTORE_WRITABLE", "PARLEY_EVENTSTORE_TOKEN"],
  ...["PARLEY_EVENTSTORE_TLS_KEY", "PARLEY_EVENTSTORE_TLS_CERT"],
];
export const distributedVariables: readonly string[] = [
  ...embeddedVariables.filter((name) => !embeddedOnly.includes(name)),
  ...Object.keys(variables),
];

type Variable = keyof typeof variables;

/** For people: each variable with what it must be and its default, by the list that reads them. */
export const distributedVariablesHelp = (): string =>
  Object.entries(variables)
    .map(([name, variable]: readonly [string, { readonly codec: t.Type<string>; readonly otherwise?: string }]) => {
      const { codec, otherwise } = variable;
      const rule = otherwise === undefined ? "; needed" : otherwise === "" ? "" : `; default ${otherwise}`;
      return `  ${name.padEnd(27)}${codec.name}${rule}`;
    })
    .join("\n");

type Environment = Readonly<Record<string, string | undefined>>;

/** Clients get it in signed URLs: nothing secret may be in it, and a path would not be signed. */
function isOrigin(text: string): boolean {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { username, password, pathname, search, hash } = new URL(text);
  return username + password + search + hash === "" && pathname === "/";
}

function isRole(text: string): text is Role {
  return roles.some((role) => role === text);
}

/** Values that say nothing secret, and are shown when they are wrong. */
const shown: ReadonlySet<Variable> = new Set([
  "PARLEY_ROLE",
  "PARLEY_GATEWAY_ID",
  "PARLEY_PARTITIONS",
  "PARLEY_START_WAIT",
  "PARLEY_MONGODB_DATABASE",
  "PARLEY_S3_REGION",
  "PARLEY_S3_BUCKET",
]);

/** What only the embedded profile has, so that no operator believes it is served, or kept there. */
const refuseEmbedded = (flags: Flags, environment: Environment, problems: string[]): void => {
  const instead = "leave it out with --profile distributed";
  if (flags.data !== undefined) problems.push(`--data is of the embedded profile; ${instead}`);
  const port = "the log for EventStoreDB's clients is served by the embedded profile alone";
  if (flags.eventstorePort !== undefined) problems.push(`--eventstore-port: ${port}; ${instead}`);
  const variable = environment.PARLEY_EVENTSTORE_PORT ?? "";
  if (variable !== "" && variable !== "off")
    problems.push(`PARLEY_EVENTSTORE_PORT: ${port}; unset it with --profile distributed`);
};

/** @throws BadConfig naming each variable that is missing or wrong and what it should be, never what a secret is */
export const readDistributedConfig = (
  { role, ...flags }: Flags & { readonly role?: string },
  environment: Environment,
): DistributedConfig => {
  const problems: string[] = [];
  const given: Environment = role === undefined ? environment : { ...environment, PARLEY_ROLE: role };
  const read = (name: Variable): string => {
    const variable: { readonly codec: t.Type<string, string>; readonly otherwise?: string } = variables[name];
    const value = given[name];
    if (value === undefined || value === "") {
      if (variable.otherwise === undefined) problems.push(`${name} is missing; it must be ${variable.codec.name}`);
      return variable.otherwise ?? "";
    }
    const decoded = variable.codec.decode(value);
    if (E.isRight(decoded)) return decoded.right;
    problems.push(`${name}${shown.has(name) ? ` is ${JSON.stringify(value)}; it` : ""} must be ${variable.codec.name}`);
    return "";
  };
  refuseEmbedded(flags, environment, problems);
  const common = readCommon(flags, environment, problems);
  const processName = read("PARLEY_GATEWAY_ID") || namePart(hostname());
  const mongo = { url: read("PARLEY_MONGODB_URL"), database: read("PARLEY_MONGODB_DATABASE") };
  const config = {
    role: read("PARLEY_ROLE") as Role,
    processName,
    processId: `${processName}-${randomBytes(6).toString("hex")}`,
    partitions: Number(read("PARLEY_PARTITIONS")),
    startWaitSeconds: Number(read("PARLEY_START_WAIT")),
    eventStoreUrl: read("PARLEY_EVENTSTORE_URL"),
    ...{ mongo, erasureLedger: erasureLedgerBeside(mongo, read("PARLEY_ERASURE_LEDGER")) },
    natsUrl: read("PARLEY_NATS_URL"),
    redisUrl: read("PARLEY_REDIS_URL"),
    tokenSecret: Buffer.from(read("PARLEY_TOKEN_SECRET")),
  };
  const s3 = readS3(read, problems);
  const [masterKey, also] = [read("PARLEY_MASTER_KEY"), read("PARLEY_MASTER_KEYS_ALSO")];
  const masterKeys = masterKeysIn([masterKey, ...(also === "" ? [] : also.split(","))]);
  if (common === undefined || masterKeys === undefined || problems.length > 0) throw new BadConfig(problems);
  return { ...common, ...config, masterKeys, ...(s3 === undefined ? {} : { s3 }) };
};

const readCommon = (flags: Flags, environment: Environment, problems: string[]): Config | undefined => {
  try {
    return readConfig({ ...flags, eventstorePort: "off" }, environment);
  } catch (error) {
    if (!(error instanceof BadConfig)) throw error;
    problems.push(...error.problems);
    return undefined;
  }
};

const readS3 = (read: (name: Variable) => string, problems: string[]): S3Config | undefined => {
  const url = read("PARLEY_S3_URL");
  if (url === "") return undefined;
  const publicUrl = read("PARLEY_S3_PUBLIC_URL");
  const s3 = {
    url,
    accessKey: read("PARLEY_S3_ACCESS_KEY"),
    secretKey: read("PARLEY_S3_SECRET_KEY"),
    region: read("PARLEY_S3_REGION"),
    bucket: read("PARLEY_S3_BUCKET"),
    ...(publicUrl === "" ? {} : { publicUrl }),
  };
  if (s3.accessKey === "") problems.push("PARLEY_S3_ACCESS_KEY is missing; PARLEY_S3_URL needs it");
  if (s3.secretKey === "") problems.push("PARLEY_S3_SECRET_KEY is missing; PARLEY_S3_URL needs it");
  return s3;
};

const namePart = (text: string): string => text.replace(/[^\w-]/g, "-").slice(0, 40);
