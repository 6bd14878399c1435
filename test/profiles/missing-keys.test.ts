/** What a start does when the log has content whose keys are not there. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, it } from "vitest";
import { incarnationsOf, openingWith, sealingWith } from "../../src/commands/sealing/sealing.js";
import { E } from "../../src/domain/kernel/fp.js";
import { sealedAs, type Sealed } from "../../src/domain/kernel/sealed.js";
import { openSqliteKeyStore, type SqliteKeyStore } from "../../src/infra/key-store/sqlite/key-store.js";
import { incarnationsFor, refuseWithoutKeys, warnOfMissingKeys } from "../../src/profiles/missing-keys.js";
import { contextOf } from "../kit/given.js";
import { commandsOn, openLogKit, type LogKit } from "../kit/log.js";
import { sealedByAes, textCipher } from "../kit/text-cipher.js";
import { testMasterKeys } from "../kit/master-key.js";

let kit: LogKit;
const warnings: unknown[] = [];
const logger = {
  debug: () => undefined,
  info: () => undefined,
  error: () => undefined,
  warn: (it: unknown) => void warnings.push(it),
};
const place = { key: { of: "messages", userId: "alice", at: Date.UTC(2026, 10, 22) }, context: "m" } as const;
const context = (userId: string) => contextOf(userId, Date.now(), crypto.randomUUID());
const textOf = (text: string) => ({ contentType: "text" as const, content: JSON.stringify({ type: "text", text }) });
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
  const store = await openSqliteKeyStore(join(kit.dir, name), testMasterKeys);
  closers.push(store.close);
  return store;
};
const sealedBy = async (keys: SqliteKeyStore): Promise<Sealed> =>
  sealingWith(keys, await incarnationsOf(keys), textCipher).seal('"text"', place);
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
  expect(await openingWith(again, textCipher)("m", first)).toBe('"text"');
});

it("content of a time when ids had no incarnation opens", async () => {
  const data = sealedByAes(await kit.keys.obtain("alice/2026-11"), "m", '"old"');
  expect(await openingWith(kit.keys, textCipher)("m", { alg: "A256GCM", keyId: "alice/2026-11", data })).toBe('"old"');
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
  const name = await sealingWith(kit.keys, ["x"], textCipher).sealText("Friends", { key, context: sealedAs.name("c") });
  const data = JSON.stringify({ conversationId: "c", home: "main", profile: { kind: "group", name } });
  const event = { id: crypto.randomUUID(), type: "ConversationStarted", data, meta: "{}" };
  await kit.log.append("conversation-c", "any", [event]);
  await expect(refuseWithoutKeys(join(kit.dir, "lost.db"), kit.log)).rejects.toThrow(/lost\.db is missing/);
  const forgetful = { ...kit.keys, find: () => Promise.resolve(undefined) };
  expect(await warnOfMissingKeys(kit.log, forgetful, logger)).toHaveLength(1);
});

it("a store that lacks keys of the newest content makes none with the names of those, and takes other names once", async () => {
  await log(await sealedBy(kit.keys));
  const known = await incarnationsOf(kit.keys);
  expect(await incarnationsFor(kit.log, kit.keys, logger)).toEqual(known);
  expect(warnings).toEqual([]);
  destroyKeysOf("alice", kit.dir);
  const keys = await newStore("keys.db");
  const another = await incarnationsFor(kit.log, keys, logger);
  expect(another).toEqual([known[0], expect.stringMatching(/^[\w-]{12}$/)]);
  expect(await incarnationsFor(kit.log, keys, logger)).toEqual(another);
  expect(warnings).toEqual([
    { keys: 1, missing: 1 },
    { keys: 1, missing: 1 },
  ]);
  // It has lost keys of the second as well.
  await log({ alg: "A256GCM", keyId: `bob/2026-11/${another[1]}`, data: "" });
  const third = await incarnationsFor(kit.log, keys, logger);
  expect(third.slice(0, 2)).toEqual(another);
  expect(third).toHaveLength(3);
  expect(await incarnationsFor(kit.log, keys, logger)).toEqual(third);
});

it("a store in the place of one that was lost takes other names once, though the loss stays in the log", async () => {
  await log({ alg: "A256GCM", keyId: "alice/2026-11/of-another", data: "" });
  const incarnations = await incarnationsFor(kit.log, kit.keys, logger);
  expect(incarnations).toHaveLength(2);
  expect(await incarnationsFor(kit.log, kit.keys, logger)).toEqual(incarnations);
});

it("conversations and profiles keep their keys, and their texts their digests, when somebody's keys are gone", async () => {
  const asStarted = async (keys: SqliteKeyStore) => {
    const sealing = sealingWith(keys, await incarnationsFor(kit.log, keys, logger), textCipher);
    return { commands: commandsOn(kit, kit.log, { sealing }), sealing };
  };
  const { commands } = await asStarted(kit.keys);
  const started = await commands.startGroup({ name: "Family", participantIds: ["bob"] }, context("alice"));
  if (E.isLeft(started)) throw new Error("refused");
  const { conversationId } = started.right;
  await commands.changeProfile({ displayName: "Bob" }, context("bob"));
  await commands.sendMessage({ conversationId, clientMessageId: "m-1", ...textOf("hello") }, context("alice"));
  const name = { key: { of: "conversation", conversationId }, context: sealedAs.name(conversationId) } as const;
  const digest = await (await asStarted(kit.keys)).sealing.digest("Family", name);
  destroyKeysOf("alice", kit.dir);
  const head = await kit.log.head();
  for (const file of ["first", "second"]) {
    const keys = await openSqliteKeyStore(join(kit.dir, "keys.db"), testMasterKeys);
    closers.push(keys.close);
    const again = await asStarted(keys);
    expect(await again.sealing.digest("Family", name), file).toBe(digest);
    await again.commands.changeSettings({ conversationId, name: "Family" }, context("bob"));
    await again.commands.changeProfile({ displayName: "Bob" }, context("bob"));
  }
  expect(await kit.log.head()).toBe(head);
  expect(keyIdsLike(kit.dir, "%/conversation/%")).toHaveLength(1);
  expect(keyIdsLike(kit.dir, "%/profile/%")).toHaveLength(1);
  // What is made from now on has the newest's names.
  const [, newest] = await incarnationsOf(kit.keys);
  expect((await (await asStarted(kit.keys)).sealing.seal("other", place)).keyId).toBe(`alice/2026-11/${newest}`);
});

const keyIdsLike = (dir: string, pattern: string): unknown[] => {
  const db = new Database(join(dir, "keys.db"));
  const ids = db.prepare("select id from keys where id like ?").pluck().all(pattern);
  db.close();
  return ids;
};
const destroyKeysOf = (userId: string, dir: string): void => {
  const db = new Database(join(dir, "keys.db"));
  db.prepare("delete from keys where id like ? || '/%'").run(userId);
  db.close();
};
