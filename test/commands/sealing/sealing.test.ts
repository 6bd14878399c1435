/** What keys seal what, and what digests say. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ContentDamaged, sealingWith, type DataKey, type Sealing } from "../../../src/commands/sealing/sealing.js";
import { sameText, sealedAs, unsealed } from "../../../src/domain/kernel/sealed.js";
import { createMonthNames, keyIdOf } from "../../../src/commands/sealing/data-keys.js";
import { openLogKit, type LogKit } from "../../kit/log.js";
import { withSeed } from "../../kit/seed.js";
import { sealedByAes, textCipher } from "../../kit/text-cipher.js";

let kit: LogKit;
let sealing: Sealing;
beforeEach(async () => {
  kit = await openLogKit();
  sealing = sealingWith(kit.keys, ["one"], textCipher);
});
afterEach(() => kit.dispose());

const at = Date.UTC(2026, 10, 30);
const keys = {
  messages: { of: "messages", userId: "alice", at },
  profile: { of: "profile", userId: "alice" },
  conversation: { of: "conversation", conversationId: "g_1" },
} as const satisfies Record<DataKey["of"], DataKey>;
const name = { key: keys.conversation, context: sealedAs.name("g_1") };

it.each([
  ["messages", "alice/2026-11/one"],
  ["profile", "alice/profile/one"],
  ["conversation", "g_1/conversation/one"],
] as const)("a text of kind %s is sealed by the key %s", async (of, keyId) => {
  const sealed = await sealing.seal("hello", { key: keys[of], context: "here" });
  expect(sealed).toMatchObject({ alg: "XC20P", keyId });
  expect(Buffer.from(sealed.data, "base64").includes("hello")).toBe(false);
  expect(await sealing.open("here", sealed)).toBe("hello");
});

it("what was sealed by AES-256-GCM is read, and what is new is sealed by XChaCha20-Poly1305 with the same key", async () => {
  const keyId = "alice/2026-11/one";
  const data = sealedByAes(await kit.keys.obtain(keyId), "m", "old");
  const old = { alg: "A256GCM", keyId, data } as const;
  const now = await sealing.seal("new", { key: keys.messages, context: "m" });
  expect(now).toMatchObject({ alg: "XC20P", keyId });
  expect([await sealing.open("m", old), await sealing.open("m", now)]).toEqual(["old", "new"]);
  expect(sealing.openNow("m", old)).toBe("old");
});

it("an author's key is looked up by the name that it has of its month, whoever was named before", async () => {
  const users = fc.constantFrom("alice", "bob", "carol");
  const times = fc.integer({ min: Date.UTC(2026, 9, 30), max: Date.UTC(2026, 11, 2) });
  const name = createMonthNames("one");
  await fc.assert(
    fc.asyncProperty(users, times, async (userId, time) => {
      const key = { of: "messages", userId, at: time } as const;
      expect(name(key)).toBe(`${userId}/${new Date(time).toISOString().slice(0, 7)}/one`);
      expect((await sealing.seal("hello", { key, context: "here" })).keyId).toBe(keyIdOf(key, "one"));
    }),
    withSeed({ numRuns: 200 }),
  );
});

it("a sealed text does not open as another: not as another conversation's, nor as another field", async () => {
  const sealed = await sealing.seal("Family", name);
  await expect(sealing.open(sealedAs.name("g_2"), sealed)).rejects.toThrow(ContentDamaged);
  await expect(sealing.open(sealedAs.description("g_1"), sealed)).rejects.toThrow(ContentDamaged);
});

it("a message's content opens once from memory without its key, a name never", async () => {
  const forgetful = sealingWith({ ...kit.keys, cached: () => undefined }, ["one"], textCipher);
  const content = await forgetful.seal("hello", { key: keys.messages, context: "m" });
  expect(forgetful.openNow("m", content)).toBe("hello");
  expect(forgetful.openNow("m", content)).toBeUndefined();
  expect(forgetful.openNow(name.context, await forgetful.seal("Family", name))).toBeUndefined();
});

it.each(["messages", "profile", "conversation"] as const)(
  "a key of kind %s is at hand once it was used, in a later incarnation as well",
  async (of) => {
    const later = sealingWith(kit.keys, ["one", "two"], textCipher);
    await sealing.seal("hello", { key: keys[of], context: "here" });
    expect(later.isAtHand(keys[of])).toBe(false);
    await later.seal("hello", { key: keys[of], context: "here" });
    expect(later.isAtHand(keys[of])).toBe(true);
  },
);

describe("digests", () => {
  it("are the same for the same text, key and context, and differ with each of them", async () => {
    const digests = await Promise.all([
      sealing.digest("Family", name),
      sealing.digest("Family!", name),
      sealing.digest("Family", { ...name, context: sealedAs.description("g_1") }),
      sealing.digest("Family", { ...name, key: keys.profile }),
      sealingWith(kit.keys, ["two"], textCipher).digest("Family", name),
    ]);
    expect(new Set(digests).size).toBe(digests.length);
    expect(await sealingWith(kit.keys, ["one"], textCipher).digest("Family", name)).toBe(digests[0]);
  });

  it("are not made with the key that seals, but with one that is derived from it", async () => {
    const key = await kit.keys.obtain("g_1/conversation/one");
    const withDataKey = createHmac("sha256", key).update(name.context).update("\0").update("Family");
    expect(await sealing.digest("Family", name)).not.toBe(withDataKey.digest("base64url"));
  });

  it("stand beside a sealed text, which differs each time", async () => {
    const [one, other] = [await sealing.sealText("Family", name), await sealing.sealText("Family", name)];
    expect(one.data).not.toBe(other.data);
    expect(sameText(one, other)).toBe(true);
    expect(sameText(one, await sealing.sealText("Friends", name))).toBe(false);
  });

  it("are in no text of before, which differs from every sealed one and is the same as itself", async () => {
    const before = unsealed("Family");
    expect(sameText(before, await sealing.sealText("Family", name))).toBe(false);
    expect(sameText(before, unsealed("Family"))).toBe(true);
    expect(sameText(before, unsealed("Friends"))).toBe(false);
  });

  it("the digest of an edit of before is found under its author's key of any month of a time, and of no other", async () => {
    const key = await kit.keys.obtain("alice/2026-11/one");
    const content = '{"text":"hi"}';
    const digest = createHmac("sha256", key).update("m").update(content).digest("base64url");
    const edit = { content, context: "m", userId: "alice" };
    const during = (from: number, to: number, other = {}) => sealing.hadAsEdit(digest, { ...edit, from, to, ...other });
    expect(await during(at, Date.UTC(2027, 5, 1))).toBe(true);
    expect(await during(Date.UTC(2025, 5, 1), at)).toBe(true);
    // A clock that was set back.
    expect(await during(Date.UTC(2026, 11, 31), Date.UTC(2026, 10, 1))).toBe(true);
    expect(await during(Date.UTC(2026, 11, 1), Date.UTC(2027, 5, 1))).toBe(false);
    expect(await during(at, at, { content: '{"text":"ho"}' })).toBe(false);
    expect(await during(at, at, { userId: "bob" })).toBe(false);
  });
});

it("an empty text has nothing to seal", () => {
  expect(sealing.sealText("", name)).toEqual({ alg: "none", keyId: "", data: "" });
});

it("where sealing is off a text stands as it is, and its digest compares it all the same", async () => {
  const off = sealingWith(kit.keys, undefined, textCipher);
  const written = await off.sealText("Family", name);
  expect(written).toMatchObject({ alg: "none", keyId: "", data: "Family" });
  expect(sameText(written, await off.sealText("Family", name))).toBe(true);
  expect(await off.open(name.context, written)).toBe("Family");
});
