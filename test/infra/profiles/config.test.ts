/** What the settings of both profiles refuse, and that no secret is in what they say. */
import { describe, expect, it } from "vitest";
import { BadConfig, readConfig, type Flags } from "../../../src/infra/profiles/config.js";

type Environment = Readonly<Record<string, string | undefined>>;

const problemsOf = (environment: Environment, flags: Flags = {}): readonly string[] => {
  try {
    readConfig(flags, environment);
  } catch (error) {
    if (error instanceof BadConfig) return error.problems;
    throw error;
  }
  return [];
};

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
