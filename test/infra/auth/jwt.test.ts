import { createHmac, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import fc from "fast-check";
import { jwtVerify } from "jose";
import { describe, expect, it } from "vitest";
import { E } from "../../../src/domain/kernel/fp.js";
import { createJwtAuthenticator, signToken } from "../../../src/infra/auth/jwt.js";
import { withSeed } from "../../kit/seed.js";

const secret = randomBytes(32);
const now = 1_800_000_000_000;
const seconds = now / 1000;
const { authenticate, check } = createJwtAuthenticator({ secret, clock: () => now });
const good = { sub: "alice", device: "phone", exp: seconds + 60, iat: seconds };

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
const token = (claims: object, header: object = { alg: "HS256" }, key: Buffer = secret, hash = "sha256") => {
  const signed = `${part(header)}.${part(claims)}`;
  return `${signed}.${createHmac(hash, key).update(signed).digest("base64url")}`;
};

describe("a good token", () => {
  it("says who and until when", async () => {
    const signed = signToken({ userId: "alice", deviceId: "phone" }, { secret, ttlSeconds: 60, clock: () => now });
    const claims = { userId: "alice", deviceId: "phone", expiresAt: now + 60_000, issuedAt: now };
    expect(await authenticate(signed)).toEqual(E.right(claims));
    expect(await authenticate(token(good))).toEqual(E.right(claims));
  });

  it("needs no iat, and may carry what says nothing here", async () => {
    const claims = { ...good, iat: undefined, iss: "anyone", aud: "anything", extra: { deep: 1 } };
    expect(await authenticate(token(claims))).toEqual(
      E.right({ userId: "alice", deviceId: "phone", expiresAt: now + 60_000 }),
    );
  });

  it("may be signed with any secret of 16 bytes or more", () => {
    for (const bytes of [16, 31, 64, 200]) {
      const key = randomBytes(bytes);
      expect(
        E.isRight(createJwtAuthenticator({ secret: key, clock: () => now }).check(token(good, { alg: "HS256" }, key))),
      ).toBe(true);
    }
  });
});

describe("a bad token", () => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const rs256 = () => {
    const signed = `${part({ alg: "RS256" })}.${part(good)}`;
    return `${signed}.${sign("sha256", Buffer.from(signed), privateKey).toString("base64url")}`;
  };
  const pem = Buffer.from(publicKey.export({ type: "spki", format: "pem" }));

  it.each([
    ["empty", ""],
    ["no token", "abc"],
    ["three empty parts", ".."],
    ["expired", token({ ...good, exp: seconds })],
    ["without exp", token({ sub: "alice", device: "phone" })],
    ["exp as text", token({ ...good, exp: "9999999999" })],
    ["exp beyond numbers", token(good).replace(part(good), part({ ...good, exp: 1e400 }))],
    ["without sub", token({ device: "phone", exp: good.exp })],
    ["without device", token({ sub: "alice", exp: good.exp })],
    ["device as a number", token({ ...good, device: 5 })],
    ["a bad user id", token({ ...good, sub: "al ice" })],
    ["a user id that is too long", token({ ...good, sub: "a".repeat(129) })],
    ["a bad device id", token({ ...good, device: "a/b" })],
    ["iat as text", token({ ...good, iat: "now" })],
    ["issued more than a minute from now", token({ ...good, iat: seconds + 61 })],
    ["not valid for more than a minute from now", token({ ...good, nbf: seconds + 61 })],
    ["nbf as text", token({ ...good, nbf: "now" })],
    ["another key", token(good, { alg: "HS256" }, randomBytes(32))],
    ["a changed claim", token(good).replace(part(good), part({ ...good, sub: "mallory" }))],
    ["no signature", token(good).replace(/[^.]+$/, "")],
    ["alg none", `${part({ alg: "none" })}.${part(good)}.`],
    ["alg None", `${part({ alg: "None" })}.${part(good)}.`],
    ["HS512 with the right key", token(good, { alg: "HS512" }, secret, "sha512")],
    ["RS256", rs256()],
    ["HS256 with a public key", token(good, { alg: "HS256" }, pem)],
    ["an unknown critical header", token(good, { alg: "HS256", crit: ["x"], x: 1 })],
    ["claims that are no object", `${part({ alg: "HS256" })}.${Buffer.from("[]").toString("base64url")}.x`],
  ])("is refused: %s", async (_name, bad) => {
    const refused = await authenticate(bad);
    expect(refused).toEqual(E.left({ code: "UNAUTHORIZED", message: expect.stringMatching(/^The token/) as string }));
  });
});

describe("any token", () => {
  const json = fc.oneof(
    fc.constantFrom<unknown>("alice", "HS256", seconds + 60, seconds - 60, seconds, null, "", 0, [], {}),
    fc.jsonValue(),
  );
  const claims = fc.record({ sub: json, device: json, exp: json, iat: json, nbf: json }, { requiredKeys: [] });
  const header = fc.record(
    { alg: fc.constantFrom("HS256", "hs256", "none", "HS384", "RS256"), typ: json, crit: json },
    { requiredKeys: [] },
  );
  const made = fc.oneof(
    fc.tuple(claims, header).map(([payload, head]) => token({ ...good, ...payload }, { alg: "HS256", ...head })),
    // One character of a good token changed, dropped or added.
    fc
      .tuple(fc.nat(token(good).length - 1), fc.string({ maxLength: 2 }))
      .map(([at, text]) => token(good).slice(0, at) + text + token(good).slice(at + 1)),
    fc.string(),
  );

  it("is judged as jose judges it", async () => {
    await fc.assert(
      fc.asyncProperty(made, async (each) => {
        const options = {
          ...{ algorithms: ["HS256"], requiredClaims: ["sub", "device", "exp"], currentDate: new Date(now) },
          // Of `nbf`; that of `exp` is taken away again below.
          clockTolerance: 60,
        };
        const jose = await jwtVerify(each, secret, options).then(
          ({ payload }) =>
            typeof payload.sub === "string" &&
            typeof payload.device === "string" &&
            payload.device !== "" &&
            payload.sub !== "" &&
            Number(payload.exp) > seconds &&
            (payload.iat === undefined || (typeof payload.iat === "number" && payload.iat <= seconds + 60)),
          () => false,
        );
        const ids = /^(?!\.{1,2}$)[A-Za-z0-9_.:@+|-]{1,128}$/;
        const mine = check(each);
        if (E.isRight(mine)) expect(jose).toBe(true);
        // Of base64url's last letter jose ignores the bits that mean nothing: one signature has several spellings.
        else if (
          jose &&
          Buffer.from(each.split(".")[2] ?? "", "base64url").toString("base64url") === each.split(".")[2]
        ) {
          const { payload } = await jwtVerify(each, secret, options);
          expect(ids.test(String(payload.sub)) && ids.test(String(payload.device))).toBe(false);
        }
        expect(await authenticate(each)).toEqual(mine);
      }),
      withSeed({ numRuns: 500 }),
    );
  });
});
