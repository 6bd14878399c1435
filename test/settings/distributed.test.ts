import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readDistributedConfig } from "../../src/settings/distributed.js";
import { problemsIn } from "../kit/bad-config.js";
import { seed, withSeed } from "../kit/seed.js";

const masterKey = randomBytes(32).toString("base64");
const tokenSecret = randomBytes(32).toString("base64");

/** What has no default. */
const needed = {
  PARLEY_EVENTSTORE_URL: "esdb://admin:hidden-eventstore@events:2113?tls=false",
  PARLEY_MONGODB_URL: "mongodb://parley:hidden-mongodb@mongo:27017/?replicaSet=rs0",
  PARLEY_NATS_URL: "nats://parley:hidden-nats@nats:4222",
  PARLEY_REDIS_URL: "redis://:hidden-redis@redis:6379",
  PARLEY_MASTER_KEY: masterKey,
  PARLEY_TOKEN_SECRET: tokenSecret,
};
const s3 = {
  PARLEY_S3_URL: "http://s3:7070",
  PARLEY_S3_ACCESS_KEY: "hidden-access",
  PARLEY_S3_SECRET_KEY: "hidden-secret",
};

type Environment = Readonly<Record<string, string | undefined>>;

const problemsOf = (environment: Environment, flags: Parameters<typeof readDistributedConfig>[0] = {}) =>
  problemsIn(() => readDistributedConfig(flags, environment));

/** Variable → values that it must refuse. */
const wrong: Readonly<Partial<Record<string, readonly string[]>>> = {
  PARLEY_ROLE: ["gateways", "GATEWAY", " all"],
  PARLEY_GATEWAY_ID: ["a b", "a.b", "ä", "x".repeat(65)],
  PARLEY_CELL: ["a b", "a/b", "ä", "x".repeat(129)],
  PARLEY_PARTITIONS: ["0", "257", "1.5", "-1", "many", " ", "Infinity", "NaN"],
  PARLEY_MESSAGES_PER_MINUTE: ["-1", "1000001", "0.5", "none"],
  PARLEY_CHANGES_PER_MINUTE: ["-1", "1000001", "0.5", "none"],
  PARLEY_RECONCILE_SAMPLE: ["-1", "100001", "0.5", "none"],
  PARLEY_EVENTSTORE_URL: ["http://hidden-eventstore:2113", "esdb://", "hidden-eventstore"],
  PARLEY_MONGODB_URL: ["http://hidden-mongodb", "mongodb:/hidden-mongodb", "mongodb://"],
  PARLEY_MONGODB_DATABASE: ["a.b", "a/b", "x".repeat(64)],
  PARLEY_NATS_URL: ["http://hidden-nats", "hidden-nats:4222", "nats://"],
  PARLEY_REDIS_URL: ["http://hidden-redis", "hidden-redis:6379", "redis://"],
  PARLEY_MASTER_KEYS_ALSO: ["hidden-key", `${masterKey},hidden-key`],
  PARLEY_MASTER_KEY: [randomBytes(31).toString("base64"), randomBytes(33).toString("base64"), "hidden-key", "*"],
  PARLEY_TOKEN_SECRET: ["hidden-token"],
  PARLEY_S3_URL: ["s3://hidden-s3", "hidden-s3:7070", "http://"],
  PARLEY_S3_PUBLIC_URL: [
    ...["s3://hidden-s3", "hidden-s3:7070", "http://", "https://u:hidden-s3@files.example"],
    ...["https://hidden-s3.example/path", "https://hidden-s3.example/?a=b"],
  ],
  PARLEY_S3_BUCKET: ["ab", "Parley", "par_ley", "x".repeat(64)],
};
const shown = new Set([
  "PARLEY_ROLE",
  "PARLEY_GATEWAY_ID",
  "PARLEY_CELL",
  "PARLEY_PARTITIONS",
  "PARLEY_MESSAGES_PER_MINUTE",
  "PARLEY_CHANGES_PER_MINUTE",
  "PARLEY_RECONCILE_SAMPLE",
  "PARLEY_MONGODB_DATABASE",
  "PARLEY_S3_BUCKET",
]);

/** Not read where PARLEY_S3_URL is wrong. */
const ofS3 = new Set(["PARLEY_S3_PUBLIC_URL", "PARLEY_S3_BUCKET"]);

describe("the configuration of the distributed profile", () => {
  it("has defaults for all but the engines and the keys", () => {
    const {
      processId,
      masterKeys: [key, ...also],
      tokenSecret: secret,
      ...config
    } = readDistributedConfig({}, needed);
    expect(config).toMatchObject({
      ...{
        role: "all",
        partitions: 8,
        messagesPerMinute: 0,
        changesPerMinute: 6000,
        reconcileSample: 0,
        host: "127.0.0.1",
        port: 8080,
        cell: "main",
        seal: true,
      },
      mongo: { url: needed.PARLEY_MONGODB_URL, database: "parley" },
      eventStoreUrl: needed.PARLEY_EVENTSTORE_URL,
      natsUrl: needed.PARLEY_NATS_URL,
      redisUrl: needed.PARLEY_REDIS_URL,
    });
    expect(config.s3).toBeUndefined();
    expect([key.toString("base64"), also, secret.toString()]).toEqual([masterKey, [], tokenSecret]);
    // Part of a NATS subject and of keys in Redis.
    expect(processId).toMatch(/^[\w-]{1,80}$/);
  });

  it("takes what is set, the command line before the environment", () => {
    const given = {
      ...{ ...needed, ...s3, PARLEY_ROLE: "gateway", PARLEY_GATEWAY_ID: "gw-1", PARLEY_PARTITIONS: "256" },
      ...{ PARLEY_MESSAGES_PER_MINUTE: "600", PARLEY_MONGODB_DATABASE: "chat", PARLEY_PORT: "9000" },
    };
    const config = readDistributedConfig({ role: "projector", port: "9001" }, given);
    expect(config).toMatchObject({ role: "projector", port: 9001, partitions: 256, messagesPerMinute: 600 });
    expect(config.mongo.database).toBe("chat");
    expect(config.processId).toMatch(/^gw-1-/);
    const keys = { accessKey: "hidden-access", secretKey: "hidden-secret" };
    expect(config.s3).toEqual({ url: "http://s3:7070", ...keys, region: "us-east-1", bucket: "parley" });
  });

  it("takes the address of S3 that clients reach, where there is one", () => {
    const publicUrl = "https://files.example:8443";
    expect(readDistributedConfig({}, { ...needed, ...s3, PARLEY_S3_PUBLIC_URL: publicUrl }).s3).toMatchObject({
      url: s3.PARLEY_S3_URL,
      publicUrl,
    });
    expect(readDistributedConfig({}, { ...needed, PARLEY_S3_PUBLIC_URL: publicUrl }).s3).toBeUndefined();
  });

  it("refuses what only the embedded profile has, once each", () => {
    const flags = { data: "./data", eventstorePort: "2113" };
    expect(problemsOf(needed, flags).map((problem) => problem.split(/[ :]/)[0])).toEqual([
      "--data",
      "--eventstore-port",
    ]);
    for (const port of ["2113", "0"])
      expect(problemsOf({ ...needed, PARLEY_EVENTSTORE_PORT: port })).toEqual([
        expect.stringMatching(/^PARLEY_EVENTSTORE_PORT: .*embedded profile/),
      ]);
    for (const port of ["off", ""]) expect(problemsOf({ ...needed, PARLEY_EVENTSTORE_PORT: port })).toEqual([]);
    // The image's default.
    expect(problemsOf({ ...needed, PARLEY_DATA: "/data" })).toEqual([]);
  });

  it("names each start of a process anew, also with the same id", () => {
    const environment = { ...needed, PARLEY_GATEWAY_ID: "gw-1" };
    const ids = Array.from({ length: 50 }, () => readDistributedConfig({}, environment).processId);
    expect(new Set(ids).size).toBe(50);
  });

  it("takes an empty variable for one that is not set", () => {
    // The settings of both profiles have rules of their own (config.ts).
    const limits = ["PARLEY_MESSAGES_PER_MINUTE", "PARLEY_CHANGES_PER_MINUTE", "PARLEY_RECONCILE_SAMPLE"];
    const shared = ["PARLEY_CELL", ...limits];
    const own = Object.keys(wrong).filter((name) => !shared.includes(name));
    const empty = Object.fromEntries(own.map((name) => [name, ""]));
    expect(readDistributedConfig({}, { ...empty, ...needed })).toMatchObject({ role: "all", partitions: 8 });
    expect(problemsOf({ ...needed, PARLEY_NATS_URL: "" })).toHaveLength(1);
  });

  it.each(Object.keys(needed))("says that %s is missing, and what it must be", (name) => {
    const problems = problemsOf({ ...needed, [name]: undefined });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${name} is missing; it must be .{10}`));
  });

  it.each(["PARLEY_S3_ACCESS_KEY", "PARLEY_S3_SECRET_KEY"])("says that %s is missing where S3 is used", (name) => {
    expect(problemsOf({ ...needed, ...s3, [name]: undefined })).toEqual([
      expect.stringMatching(new RegExp(`^${name} is missing`)),
    ]);
  });

  const wrongs = Object.entries(wrong).flatMap(([name, values = []]) => values.map((value) => [name, value] as const));
  it.each(wrongs)("refuses %s = %j, and shows the value only where it can be no secret", (name, value) => {
    const problems = problemsOf({ ...needed, ...s3, [name]: value });
    expect(problems).toHaveLength(1);
    expect(problems[0]?.startsWith(`${name} `)).toBe(true);
    expect(problems[0]).toMatch(/must be .{5}/);
    expect(problems[0]?.includes(`${name} is ${JSON.stringify(value)}; it must be`)).toBe(shown.has(name));
    if (!shown.has(name)) expect(problems[0]).not.toContain("hidden");
  });

  it("names a wrong role of the command line as well", () => {
    expect(problemsOf(needed, { role: "boss" })).toEqual([expect.stringContaining('"boss"')]);
  });

  it(`names all that is missing or wrong at once, the common settings too, and no secret (seed ${seed})`, () => {
    const names = [...new Set([...Object.keys(needed), ...Object.keys(wrong)])];
    const faults = fc.record({
      missing: fc.subarray(Object.keys(needed)),
      wrong: fc.subarray(names),
      port: fc.boolean(),
    });
    fc.assert(
      fc.property(faults, fc.nat(), ({ missing, wrong: spoilt, port }, chance) => {
        const environment: Record<string, string | undefined> = { ...needed, ...s3 };
        for (const name of spoilt) environment[name] = pickFrom(wrong[name] ?? [], chance);
        for (const name of missing) environment[name] = undefined;
        if (port) environment.PARLEY_PORT = "a port";
        // Of an address that is wrong the rest is not read.
        const isRead = (name: string): boolean => !ofS3.has(name) || !spoilt.includes("PARLEY_S3_URL");
        const expected = new Set([...missing, ...spoilt.filter(isRead), ...(port ? ["PARLEY_PORT"] : [])]);
        const problems = problemsOf(environment);
        expect(new Set(problems.map((problem) => problem.split(" ")[0]))).toEqual(expected);
        const text = problems.join("\n");
        for (const secret of ["hidden", masterKey, tokenSecret]) expect(text).not.toContain(secret);
        for (const name of spoilt)
          if (!shown.has(name) && !missing.includes(name)) expectHidden(text, environment[name]);
      }),
      withSeed({ numRuns: 200 }),
    );
  });
});

/** Values of a few characters may stand in the text by chance. */
const expectHidden = (text: string, value: string | undefined): void => {
  if (value !== undefined && value.length > 12) expect(text).not.toContain(value);
};

const pickFrom = (values: readonly string[], chance: number): string | undefined => values[chance % values.length];
