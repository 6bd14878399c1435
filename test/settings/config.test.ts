/** What the settings of both profiles refuse, and that no secret is in what they say. */
import { describe, expect, it } from "vitest";
import { dataDirOf, readConfig, type Flags } from "../../src/settings/config.js";
import { strayVariables } from "../../src/settings/stray-variables.js";
import { problemsIn } from "../kit/bad-config.js";

type Environment = Readonly<Record<string, string | undefined>>;

const problemsOf = (environment: Environment, flags: Flags = {}) => problemsIn(() => readConfig(flags, environment));

describe("the data directory", () => {
  it("is the flag's, else PARLEY_DATA's, else ./data: for a server and for what looks into its files", () => {
    for (const [flags, environment, dir] of [
      [{ data: "/flag" }, { PARLEY_DATA: "/variable" }, "/flag"],
      [{}, { PARLEY_DATA: "/variable" }, "/variable"],
      [{}, {}, "./data"],
    ] as const) {
      expect(dataDirOf(flags, environment)).toBe(dir);
      expect(readConfig(flags, environment).dataDir).toBe(dir);
    }
  });

  it("is refused where it is empty, with the name of what is", () => {
    for (const [flags, environment, says] of [
      [{}, { PARLEY_DATA: "" }, 'PARLEY_DATA is ""; it must be a text that is not empty'],
      [{ data: "" }, { PARLEY_DATA: "/variable" }, '--data is ""; it must be a text that is not empty'],
    ] as const) {
      expect(problemsIn(() => dataDirOf(flags, environment))).toEqual([says]);
      expect(problemsOf(environment, flags)).toEqual([says]);
    }
  });
});

describe("PARLEY_JWKS_URL", () => {
  it.each([
    "ftp://user:hidden@keys.example",
    "user:hidden@keys.example",
    "https://user:hidden@keys.example/jwks",
    "https://hidden@keys.example/jwks",
    "https://:hidden@[",
  ])("is refused without its value: %s", (url) => {
    const problems = problemsOf({ PARLEY_JWKS_URL: url });
    expect(problems).toEqual([expect.stringMatching(/^PARLEY_JWKS_URL must be an http or https URL/)]);
    expect(problems.join()).not.toContain("hidden");
  });

  it("is taken where it is one of http or https", () => {
    const url = "https://keys.example/jwks?tenant=a";
    expect(readConfig({}, { PARLEY_JWKS_URL: url }).jwks).toEqual({ url });
  });
});

describe("the EventStoreDB port", () => {
  const token = "hidden-of-16-char";
  const served = { PARLEY_EVENTSTORE_PORT: "0" };
  const open = { ...served, PARLEY_EVENTSTORE_HOST: "0.0.0.0" };
  const tls = { PARLEY_EVENTSTORE_TLS_KEY: "key.pem", PARLEY_EVENTSTORE_TLS_CERT: "cert.pem" };
  const writable = { PARLEY_EVENTSTORE_WRITABLE: "on" };

  it("takes a token of 16 characters and none that is shorter, which it does not print", () => {
    expect(problemsOf({ ...served, PARLEY_EVENTSTORE_TOKEN: "hidden-of-16-cha" })).toEqual([]);
    const problems = problemsOf({ ...served, PARLEY_EVENTSTORE_TOKEN: "hidden-of-16-ch" });
    expect(problems).toEqual([expect.stringMatching(/^PARLEY_EVENTSTORE_TOKEN must have at least 16 characters/)]);
    expect(problems.join()).not.toContain("hidden");
  });

  it("needs a token beyond loopback, and TLS as well to be writable there", () => {
    expect(problemsOf(open)).toEqual([expect.stringMatching(/^PARLEY_EVENTSTORE_TOKEN is missing/)]);
    const withToken = { ...open, PARLEY_EVENTSTORE_TOKEN: token };
    expect(problemsOf(withToken)).toEqual([]);
    expect(problemsOf({ ...withToken, ...writable })).toEqual([
      expect.stringMatching(/^PARLEY_EVENTSTORE_TLS_KEY and PARLEY_EVENTSTORE_TLS_CERT are missing/),
    ]);
    expect(problemsOf({ ...withToken, ...writable, ...tls })).toEqual([]);
  });

  it.each(["127.0.0.1", "127.8.8.8", "::1", "localhost"])("needs neither on %s", (host) => {
    expect(problemsOf({ ...served, ...writable, PARLEY_EVENTSTORE_HOST: host })).toEqual([]);
  });

  it("that is off needs nothing", () => {
    expect(problemsOf({ ...open, ...writable, PARLEY_EVENTSTORE_PORT: "off" })).toEqual([]);
  });
});

describe("PARLEY_TREE_WITNESS_S3_URL", () => {
  const whole = {
    PARLEY_TREE_WITNESS_S3_URL: "https://s3.example",
    PARLEY_TREE_WITNESS_S3_BUCKET: "heads",
    PARLEY_TREE_WITNESS_S3_ACCESS_KEY: "key",
    PARLEY_TREE_WITNESS_S3_SECRET_KEY: "hidden",
    PARLEY_TREE_WITNESS_S3_DAYS: "2557",
  };

  it("locks in compliance mode unless told otherwise, for as many days as are named", () => {
    const of = (changed: Environment) => readConfig({}, { ...whole, ...changed }).tree.witnessS3;
    expect(of({})).toMatchObject({ mode: "compliance", days: 2557, region: "us-east-1" });
    expect(of({ PARLEY_TREE_WITNESS_S3_MODE: "governance" })).toMatchObject({ mode: "governance" });
    expect(readConfig({}, {}).tree.witnessS3).toBeUndefined();
  });

  it("is refused without what it needs, each named, and no secret is said", () => {
    const missing = problemsOf({ PARLEY_TREE_WITNESS_S3_URL: whole.PARLEY_TREE_WITNESS_S3_URL });
    expect(missing.map((problem) => problem.split(" ")[0])).toEqual([
      "PARLEY_TREE_WITNESS_S3_BUCKET",
      "PARLEY_TREE_WITNESS_S3_ACCESS_KEY",
      "PARLEY_TREE_WITNESS_S3_SECRET_KEY",
      "PARLEY_TREE_WITNESS_S3_DAYS",
    ]);
    for (const changed of [
      { PARLEY_TREE_WITNESS_S3_URL: "https://user:hidden@s3.example" },
      { PARLEY_TREE_WITNESS_S3_URL: "https://s3.example/hidden" },
      { PARLEY_TREE_WITNESS_S3_BUCKET: "No Bucket" },
      { PARLEY_TREE_WITNESS_S3_DAYS: "0" },
      { PARLEY_TREE_WITNESS_S3_MODE: "forever" },
    ]) {
      const problems = problemsOf({ ...whole, ...changed });
      expect(problems).toEqual([expect.stringContaining(Object.keys(changed)[0] ?? "")]);
      expect(problems.join()).not.toContain("hidden");
    }
  });
});

describe("PARLEY_ALLOWED_ORIGINS", () => {
  it.each(["foo", "https://a.example/", "https://a.example/app", "HTTPS://a.example", "*", "https://a.example:443"])(
    "is refused with what no browser sends: %s",
    (origin) => {
      expect(problemsOf({ PARLEY_ALLOWED_ORIGINS: `https://b.example,${origin}` })).toEqual([
        expect.stringContaining(`PARLEY_ALLOWED_ORIGINS has ${JSON.stringify(origin)}`),
      ]);
    },
  );

  it("takes origins of the web and of applications", () => {
    const origins = ["https://a.example", "http://localhost:3000", "capacitor://localhost"];
    expect(readConfig({}, { PARLEY_ALLOWED_ORIGINS: ` ${origins.join(" , ")},` }).allowedOrigins).toEqual(origins);
  });
});

it.each(["PARLEY_JWT_ISSUER", "PARLEY_JWT_AUDIENCE"])("%s is refused without PARLEY_JWKS_URL", (variable) => {
  expect(problemsOf({ [variable]: "a" })).toEqual([expect.stringContaining(`${variable} needs PARLEY_JWKS_URL`)]);
  expect(problemsOf({ [variable]: "a", PARLEY_JWKS_URL: "https://keys.example" })).toEqual([]);
});

describe("the cell", () => {
  it("is taken by the name that its setting had before, as told, and the command line wins", () => {
    const cellOf = (environment: Environment, flags: Flags = {}) => {
      const { cell, oldNames } = readConfig(flags, environment);
      return [cell, oldNames.map(({ old, now }) => `${old} → ${now}`)];
    };
    const [flag, variable] = ["--home → --cell", "PARLEY_HOME → PARLEY_CELL"];
    expect(cellOf({ PARLEY_CELL: "a" })).toEqual(["a", []]);
    expect(cellOf({ PARLEY_HOME: "a" })).toEqual(["a", [variable]]);
    expect(cellOf({ PARLEY_HOME: "a", PARLEY_CELL: "a" })).toEqual(["a", [variable]]);
    expect(cellOf({ PARLEY_CELL: "a" }, { home: "b" })).toEqual(["b", [flag]]);
    expect(cellOf({ PARLEY_HOME: "a" }, { cell: "b" })).toEqual(["b", [variable]]);
    expect(cellOf({ PARLEY_HOME: "" })).toEqual(["main", []]);
  });

  it("is refused where its two names say different things, and a wrong one by the name that it came by", () => {
    expect(problemsOf({ PARLEY_HOME: "a", PARLEY_CELL: "b" })).toEqual([
      expect.stringMatching(/^PARLEY_HOME is "a" and PARLEY_CELL, as it is called now, "b"; leave PARLEY_HOME out/),
    ]);
    expect(problemsOf({}, { home: "a", cell: "b" })).toEqual([expect.stringMatching(/; leave --home out/)]);
    expect(problemsOf({ PARLEY_HOME: "a/b" })).toEqual([expect.stringMatching(/^PARLEY_HOME is "a\/b"; it must be/)]);
    expect(problemsOf({}, { home: "a/b" })).toEqual([expect.stringMatching(/^--home is "a\/b"; it must be/)]);
  });

  it("by its old name is no variable that changes nothing", () => {
    const none = { unknown: [], ofOther: [] };
    expect(strayVariables("embedded", { PARLEY_HOME: "a" })).toEqual(none);
    expect(strayVariables("distributed", { PARLEY_HOME: "a" })).toEqual(none);
  });
});

it("variables that change nothing are found: misspelt ones and those of the other profile", () => {
  const environment = {
    ...{ PARLEY_PORT: "1", PARLEY_HEARTBEET: "2", PARLEY_NATS_URL: "nats://h:1", PARLEY_REDIS_URL: "", PATH: "/bin" },
    ...{ PARLEY_DATA: "/data", PARLEY_PROFILE: "embedded", PARLEY_EVENTSTORE_TOKEN: "t" },
  };
  expect(strayVariables("embedded", environment)).toEqual({
    unknown: ["PARLEY_HEARTBEET"],
    ofOther: ["PARLEY_NATS_URL"],
  });
  expect(strayVariables("distributed", environment)).toEqual({
    unknown: ["PARLEY_HEARTBEET"],
    ofOther: ["PARLEY_EVENTSTORE_TOKEN"],
  });
});
