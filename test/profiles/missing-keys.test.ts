/** What a start does when the log has content whose keys are not there. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { incarnationOf, openingWith, sealingWith } from "../../src/commands/sealing/sealing.js";
import { sealedAs, type Sealed } from "../../src/domain/kernel/sealed.js";
import { openSqliteKeyStore, type SqliteKeyStore } from "../../src/infra/key-store/sqlite/key-store.js";
import { incarnationFor, refuseWithoutKeys, warnOfMissingKeys } from "../../src/profiles/missing-keys.js";
import { openLogKit, type LogKit } from "../kit/log.js";

let kit: LogKit;
const warnings: unknown[] = [];
const logger = {
  debug: () => undefined,
  info: () => undefined,
  error: () => undefined,
  warn: (it: unknown) => void warnings.push(it),
};
const place = { key: { of: "messages", userId: "alice", at: Date.UTC(2026, 10, 22) }, context: "m" } as const;
const closers: (() => Promise<void>)[] = [];
beforeEach(async () => {
  kit = await openLogKit();
  warnings.length = 0;
});
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
  await kit.dispose();
});

const newStore = async (name: string): Promise<SqliteKeyStore> => {
  const store = await openSqliteKeyStore(join(kit.dir, name));
  closers.push(store.close);
  return store;
};
const sealedBy = async (keys: SqliteKeyStore): Promise<Sealed> =>
  sealingWith(keys, await incarnationOf(keys)).seal('"text"', place);
const log = async (content: Sealed): Promise<void> => {
  const data = JSON.stringify({ messageId: "m", content });
  await kit.log.append("conversation-c", "any", [{ id: crypto.randomUUID(), type: "MessageSent", data, meta: "{}" }]);
};

it("keys of two stores never have the same id, and those of one store do, also when it was opened again", async () => {
  const [one, other] = [await newStore("one.db"), await newStore("other.db")];
  const first = await sealedBy(one);
  expect(first.keyId).toMatch(/^alice\/2026-11\/[\w-]{12}$/);
  expect((await sealedBy(other)).keyId).not.toBe(first.keyId);
  await one.close();
  const again = await newStore("one.db");
  expect((await sealedBy(again)).keyId).toBe(first.keyId);
  expect(await openingWith(again)("m", first)).toBe('"text"');
});

it("content of a time when ids had no incarnation opens", async () => {
  await kit.keys.obtain("alice/2026-11");
  const { data } = await sealingWith(
    { ...kit.keys, cached: () => undefined, obtain: () => kit.keys.obtain("alice/2026-11") },
    "x",
  ).seal('"old"', place);
  expect(await openingWith(kit.keys)("m", { alg: "A256GCM", keyId: "alice/2026-11", data })).toBe('"old"');
});

it("a missing key file is refused where the log has sealed content, and an empty one is a decision", async () => {
  const path = join(kit.dir, "lost.db");
  await refuseWithoutKeys(path, kit.log);
  await log({ alg: "none", keyId: "", data: '"open"' });
  await refuseWithoutKeys(path, kit.log);
  await log(await sealedBy(kit.keys));
  await expect(refuseWithoutKeys(path, kit.log)).rejects.toThrow(
    /lost\.db is missing though the log has 2 events.*restore it.*touch/,
  );
  writeFileSync(path, "");
  await refuseWithoutKeys(path, kit.log);
  rmSync(path);
});

it("names count as content does: a log that has nothing else sealed is not opened without its keys", async () => {
  const key = { of: "conversation", conversationId: "c" } as const;
  const name = await sealingWith(kit.keys, "x").sealText("Friends", { key, context: sealedAs.name("c") });
  const data = JSON.stringify({ conversationId: "c", home: "main", profile: { kind: "group", name } });
  const event = { id: crypto.randomUUID(), type: "ConversationStarted", data, meta: "{}" };
  await kit.log.append("conversation-c", "any", [event]);
  await expect(refuseWithoutKeys(join(kit.dir, "lost.db"), kit.log)).rejects.toThrow(/lost\.db is missing/);
  const forgetful = { ...kit.keys, find: () => Promise.resolve(undefined) };
  expect(await warnOfMissingKeys(kit.log, forgetful, logger)).toBe(1);
});

it("a store that lacks keys of the newest content makes none with the names of those", async () => {
  await log(await sealedBy(kit.keys));
  const known = await incarnationOf(kit.keys);
  expect(await incarnationFor(kit.log, kit.keys, logger)).toBe(known);
  expect(warnings).toEqual([]);
  const forgetful = { ...kit.keys, find: () => Promise.resolve(undefined) };
  const fresh = await incarnationFor(kit.log, forgetful, logger);
  expect([known, await incarnationFor(kit.log, forgetful, logger)]).not.toContain(fresh);
  expect(warnings).toEqual([
    { keys: 1, missing: 1 },
    { keys: 1, missing: 1 },
  ]);
});
