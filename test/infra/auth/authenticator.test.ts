import { randomBytes, sign } from "node:crypto";
import { SignJWT } from "jose";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { E } from "../../../src/domain/kernel/fp.js";
import { createAuthenticator } from "../../../src/infra/auth/authenticator.js";
import type { JwksOptions } from "../../../src/infra/auth/jwks.js";
import { signToken } from "../../../src/infra/auth/jwt.js";
import { createProvider, makers, type Alg, type Pair } from "../../kit/jwks-provider.js";

const algs = Object.keys(makers) as Alg[];
const secret = randomBytes(32);
const start = 1_800_000_000_000;
const claims = { sub: "alice", device: "phone", iss: "https://idp.example", aud: "parley" };
const good = { userId: "alice", deviceId: "phone" };

let pairs: Readonly<Record<Alg, Pair>>;
let provider: ReturnType<typeof createProvider>;
let now = start;
beforeAll(() => {
  pairs = { RS256: makers.RS256(), ES256: makers.ES256(), EdDSA: makers.EdDSA() };
});
beforeEach(async () => {
  now = start;
  provider = createProvider();
  await provider.start();
  await provider.publish(pairs);
});
afterEach(() => provider.stop());

const tokenOf = (pair: Pair, alg: string, kid: string | undefined, over: object = {}) =>
  new SignJWT({ ...claims, iat: now / 1000, exp: now / 1000 + 3600, ...over })
    .setProtectedHeader(kid === undefined ? { alg } : { alg, kid })
    .sign(pair.privateKey);

const authenticator = (over: Partial<JwksOptions> = {}) => {
  const problems: string[] = [];
  const onProblem = (error: Error): void => void problems.push(error.message);
  const jwks = { url: provider.url(), issuer: claims.iss, audience: claims.aud, onProblem, ...over };
  return { ...createAuthenticator({ secret, jwks, clock: () => now }), problems };
};
const passes = expect.objectContaining({ _tag: "Right", right: expect.objectContaining(good) as object }) as object;
const refused = (reason: RegExp | string) =>
  E.left({ code: "UNAUTHORIZED", message: expect.stringMatching(reason) as string });
const unavailable = E.left({ code: "UNAVAILABLE", message: expect.stringMatching(/cannot be fetched/) as string });

describe("a provider's token", () => {
  it.each(algs)("signed with %s passes, and says who and until when", async (alg) => {
    const { check, authenticate } = authenticator();
    const token = await tokenOf(pairs[alg], alg, alg);
    expect(check(token)).toBeInstanceOf(Promise);
    expect(await authenticate(token)).toEqual(E.right({ ...good, issuedAt: start, expiresAt: start + 3_600_000 }));
  });

  it("is refused for what is wrong with it, and says what", async () => {
    const { authenticate } = authenticator();
    const { RS256, ES256 } = pairs;
    const cases: readonly (readonly [Promise<string>, RegExp])[] = [
      [tokenOf(RS256, "RS256", "RS256", { iss: "https://evil.example" }), /iss/],
      [tokenOf(RS256, "RS256", "RS256", { iss: undefined }), /iss/],
      [tokenOf(RS256, "RS256", "RS256", { aud: "others" }), /aud/],
      [tokenOf(RS256, "RS256", "RS256", { exp: now / 1000 }), /expired/],
      [tokenOf(RS256, "RS256", "RS256", { exp: undefined }), /exp/],
      [tokenOf(RS256, "RS256", "RS256", { nbf: now / 1000 + 61 }), /not valid yet/],
      [tokenOf(RS256, "RS256", "RS256", { iat: now / 1000 + 61 }), /future/],
      [tokenOf(RS256, "RS256", "RS256", { exp: now / 1000 - 30 }), /expired/],
      [tokenOf(RS256, "RS256", "RS256", { device: undefined }), /device/],
      [tokenOf(RS256, "RS256", "RS256", { sub: "al ice" }), /sub/],
      [tokenOf(RS256, "RS256", "nobody's"), /kid/],
      [tokenOf(ES256, "ES256", "RS256"), /kid/],
      [tokenOf(makers.RS256(), "RS256", "RS256"), /signature/],
      // Other algorithms of the same key: only three are taken, whatever the key could do.
      [tokenOf(RS256, "PS256", "RS256"), /not signed with/],
      [tokenOf(RS256, "RS512", "RS256"), /not signed with/],
      [Promise.resolve("a.b.c"), /malformed/],
    ];
    for (const [token, reason] of cases) expect(await authenticate(await token)).toEqual(refused(reason));
  });

  it("may be ahead by a minute in nbf as in iat, whoever signed it", async () => {
    const { authenticate } = authenticator();
    const ahead = { nbf: now / 1000 + 60, iat: now / 1000 + 60 };
    expect(await authenticate(await tokenOf(pairs.RS256, "RS256", "RS256", ahead))).toEqual(passes);
    const own = new SignJWT({ ...claims, exp: now / 1000 + 3600, ...ahead }).setProtectedHeader({ alg: "HS256" });
    expect(await authenticate(await own.sign(secret))).toEqual(passes);
  });

  it("is none that is longer than headers can carry, and costs no look at the keys", async () => {
    const { authenticate } = authenticator({ url: "http://127.0.0.1:1/never-asked" });
    const long = await tokenOf(pairs.RS256, "RS256", "RS256", { padding: "x".repeat(16 * 1024) });
    expect(await authenticate(long)).toEqual(refused(/longer than 16384/));
  });

  it("is not bound where neither issuer nor audience is set", async () => {
    const url = provider.url();
    const { authenticate } = createAuthenticator({ secret, jwks: { url }, clock: () => now });
    const token = await tokenOf(pairs.ES256, "ES256", "ES256", { iss: "anyone", aud: "anything" });
    expect(await authenticate(token)).toEqual(passes);
  });
});

describe("alg chooses", () => {
  it("the secret for HS256: at once, unbound, and never a public key", async () => {
    const { check } = authenticator();
    const shared = signToken({ userId: "alice", deviceId: "phone" }, { secret, ttlSeconds: 60, clock: () => now });
    expect(check(shared)).toEqual(passes);
    const pem = Buffer.from(pairs.RS256.publicKey.export({ type: "spki", format: "pem" }));
    const confused = await new SignJWT({ ...claims, exp: now / 1000 + 60 })
      .setProtectedHeader({ alg: "HS256", kid: "RS256" })
      .sign(pem);
    expect(check(confused)).toEqual(refused(/signature/));
    expect(provider.asked()).toBe(0);
  });

  it("nothing else: none, and JWKS algorithms where no JWKS is set, are refused at once", async () => {
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const none = `${part({ alg: "none" })}.${part({ ...claims, exp: now / 1000 + 60 })}.`;
    expect(authenticator().check(none)).toEqual(refused(/^The token/));
    const alone = createAuthenticator({ secret, clock: () => now });
    expect(alone.check(await tokenOf(pairs.RS256, "RS256", "RS256"))).toEqual(refused(/not signed with HS256/));
  });

  it("a header that says one thing and a signature of another do not pass", async () => {
    const { authenticate } = authenticator();
    const signed = `${Buffer.from('{"alg":"ES256","kid":"ES256"}').toString("base64url")}.${Buffer.from(
      JSON.stringify({ ...claims, exp: now / 1000 + 60 }),
    ).toString("base64url")}`;
    const forged = `${signed}.${sign("sha256", Buffer.from(signed), pairs.RS256.privateKey).toString("base64url")}`;
    expect(await authenticate(forged)).toEqual(refused(/signature/));
  });
});

describe("the provider's keys", () => {
  it("are fetched once for a storm of tokens, and then kept", async () => {
    const { authenticate } = authenticator();
    const tokens = await Promise.all(Array.from({ length: 50 }, () => tokenOf(pairs.ES256, "ES256", "ES256")));
    expect(await Promise.all(tokens.map(authenticate))).toEqual(tokens.map(() => passes));
    expect(provider.asked()).toBe(1);
  });

  it("may rotate: a new kid is found at once, an old one passes until it is withdrawn and forgotten", async () => {
    const { authenticate } = authenticator();
    const old = await tokenOf(pairs.RS256, "RS256", "RS256");
    expect(await authenticate(old)).toEqual(passes);
    now += 11_000;
    const next = makers.RS256();
    await provider.publish({ next });
    expect(await authenticate(old)).toEqual(passes);
    expect(await authenticate(await tokenOf(next, "RS256", "next"))).toEqual(passes);
    expect(await authenticate(old)).toEqual(refused(/kid/));
  });

  it("that were withdrawn pass for ten minutes at most while the provider answers", async () => {
    const { authenticate } = authenticator();
    const token = await tokenOf(pairs.RS256, "RS256", "RS256");
    expect(await authenticate(token)).toEqual(passes);
    await provider.publish({ ES256: pairs.ES256 });
    now += 9 * 60_000;
    expect(await authenticate(token)).toEqual(passes);
    now += 60_000;
    expect(await authenticate(token)).toEqual(refused(/kid/));
  });

  it("are not fetched again for every invented kid", async () => {
    const { authenticate } = authenticator();
    for (let n = 0; n < 20; n++)
      expect(await authenticate(await tokenOf(pairs.RS256, "RS256", `invented-${n}`))).toEqual(refused(/kid/));
    expect(provider.asked()).toBe(1);
    now += 10_000;
    await authenticate(await tokenOf(pairs.RS256, "RS256", "invented"));
    expect(provider.asked()).toBe(2);
  });

  it("pass while the provider is down, however long; what only it could tell is UNAVAILABLE", async () => {
    const { authenticate, problems } = authenticator();
    const known = await tokenOf(pairs.EdDSA, "EdDSA", "EdDSA", { exp: now / 1000 + 86_400 });
    expect(await authenticate(known)).toEqual(passes);
    await provider.stop();
    for (let hours = 0; hours < 5; hours++) {
      now += 3_600_000;
      expect(await authenticate(known)).toEqual(passes);
    }
    expect(problems.length).toBeGreaterThan(0);
    expect(await authenticate(await tokenOf(makers.EdDSA(), "EdDSA", "rotated"))).toEqual(unavailable);
  });

  it("that were never fetched are UNAVAILABLE, until the provider is back", async () => {
    provider.answerWith((response) => void response.writeHead(500).end("secret of the provider"));
    const { authenticate, problems } = authenticator();
    const token = await tokenOf(pairs.RS256, "RS256", "RS256");
    expect(await authenticate(token)).toEqual(unavailable);
    expect(await authenticate(token)).toEqual(unavailable);
    expect(problems).toHaveLength(1);
    provider.answerWith((response) => void response.end(JSON.stringify({ keys: [] })));
    now += 10_000;
    expect(await authenticate(token)).toEqual(refused(/kid/));
  });

  it.each([
    ["no JSON", "<html>"],
    ["no key set", '{"keys":7}'],
    ["too much", `{"keys":[],"x":"${"y".repeat(1024 * 1024)}"}`],
  ])("of a provider that answers with %s are none, and nothing breaks", async (_name, body) => {
    provider.answerWith((response) => void response.end(body));
    const { authenticate, problems } = authenticator();
    expect(await authenticate(await tokenOf(pairs.RS256, "RS256", "RS256"))).toEqual(unavailable);
    expect(problems).toHaveLength(1);
  });

  it("of a provider that never answers hold up a token no longer than the time-out, and known keys once", async () => {
    const { authenticate, problems } = authenticator({ timings: { timeoutMs: 2_000 } });
    const known = await tokenOf(pairs.RS256, "RS256", "RS256", { exp: now / 1000 + 86_400 });
    expect(await authenticate(known)).toEqual(passes);
    provider.answerWith(() => undefined);
    now += 60_000;
    expect(await authenticate(await tokenOf(pairs.RS256, "RS256", "new"))).toEqual(unavailable);
    now += 3_600_000;
    const asked = provider.asked();
    expect(problems).toHaveLength(1);
    expect(await authenticate(known)).toEqual(passes);
    // The attempt has begun, and is not waited for, since the one before it failed: nothing has come of it yet.
    expect(problems).toHaveLength(1);
    await expect.poll(provider.asked).toBe(asked + 1);
  });

  it("have an address that is http or https, or there is no server", () => {
    for (const url of ["file:///etc/passwd", "nonsense", ""])
      expect(() => createAuthenticator({ secret, jwks: { url } })).toThrow(TypeError);
  });
});
