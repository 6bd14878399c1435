import { createPublicKey, randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { headText, keyText, publicKeyOf, verifyText } from "../../../src/audit/tree/head.js";
import { openTreeKeeper } from "../../../src/audit/tree/keeper.js";
import { createTreeSigner, readTreeStanding } from "../../../src/audit/tree/signer.js";
import { verifyLog } from "../../../src/audit/tree/verify.js";
import { decodeEvent } from "../../../src/domain/catalogue.js";
import { asPosition, firstRevision, noPosition, streamOf } from "../../../src/domain/kernel/stream.js";
import type { TreeEvent, TreeHeadSigned, TreeKeyAdded } from "../../../src/domain/tree.events.js";
import { treeKeyId } from "../../../src/projections/ports/tree-keys.js";
import { openTreeKeyFile } from "../../../src/infra/tree-keys/file.js";
import { pagesOf } from "../../../src/operate/pages.js";
import { openSqliteTree } from "../../../src/infra/tree-store/sqlite/tree-store.js";
import { openLogKit, type LogKit } from "../../kit/log.js";
import { appendLeaves } from "../../kit/tree.js";

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const opened = async () => {
  const kit = await openLogKit();
  closers.push(kit.dispose);
  const dir = mkdtempSync(join(tmpdir(), "parley-tree-"));
  closers.push(() => {
    rmSync(dir, { recursive: true });
  });
  const keyPath = join(dir, "tree.key");
  let now = 1_760_000_000_000;
  const lost: (readonly [string, string])[] = [];
  const signer = createTreeSigner({
    ...{ log: kit.log, keys: openTreeKeyFile(keyPath) },
    ...{ clock: () => (now += 1_000), ids: { uuid: randomUUID } },
    onLostKey: (...keys) => lost.push(keys),
  });
  const keeperOf = async (epoch: string, path = join(dir, "tree.db")) => {
    const store = openSqliteTree(path);
    closers.push(store.close);
    return openTreeKeeper({ source: kit.log, store, epoch });
  };
  return { kit, dir, keyPath, signer, keeperOf, lost };
};
type Opened = Awaited<ReturnType<typeof opened>>;

const treeEvents = async ({ log }: LogKit): Promise<readonly TreeEvent[]> =>
  (await log.readStream(streamOf.tree, firstRevision, 100)).map((event) => decodeEvent(event) as TreeEvent);
const headsIn = (events: readonly TreeEvent[]) =>
  events.filter((event): event is TreeHeadSigned => event.type === "TreeHeadSigned");
const keysIn = (events: readonly TreeEvent[]) =>
  events.filter((event): event is TreeKeyAdded => event.type === "TreeKeyAdded");

const signNow = async ({ signer }: Opened, keeper: Awaited<ReturnType<Opened["keeperOf"]>>) => {
  const { checkpoint } = await keeper.catchUp();
  const { size, epoch } = checkpoint;
  return signer.sign({ size, root: await keeper.root(size), epoch });
};
const isSigned = (head: TreeHeadSigned | undefined, keys: readonly TreeKeyAdded[]): boolean => {
  if (head === undefined) return false;
  const key = publicKeyOf(keys.find(({ keyId }) => keyId === head.keyId)?.publicKey ?? "");
  return key !== undefined && treeKeyId(key) === head.keyId && verifyText(key, headText(head), head.signature);
};

describe("heads of the tree", () => {
  it("are signed by a key that the log names and the directory keeps to its owner", async () => {
    const here = await opened();
    await appendLeaves(here.kit.log, 300);
    const keeper = await here.keeperOf("e-1");
    const head = await signNow(here, keeper);
    const events = await treeEvents(here.kit);
    expect(events).toEqual([expect.objectContaining({ type: "TreeKeyAdded", keyId: head?.keyId }), head]);
    expect(head).toMatchObject({ size: 300, epoch: "e-1" });
    expect(isSigned(headsIn(events)[0], keysIn(events))).toBe(true);
    expect(statSync(here.keyPath).mode & 0o777).toBe(0o600);
    // The same size again is no news, whoever asks.
    expect(
      await signNow(
        { ...here },
        {
          ...keeper,
          catchUp: () =>
            Promise.resolve({ checkpoint: { position: asPosition(0), size: 300, epoch: "e-1" }, isAtEnd: true }),
        },
      ),
    ).toBeUndefined();
  });

  it("go on after a restart, with others' tree of the same log, and without the tree's file", async () => {
    const here = await opened();
    await appendLeaves(here.kit.log, 700);
    const first = await here.keeperOf("e-1");
    const { checkpoint } = await first.catchUp();
    await appendLeaves(here.kit.log, 9);
    const again = await here.keeperOf("e-1");
    expect((await again.catchUp()).checkpoint.size).toBe(709);
    const others = await here.keeperOf("e-1", join(here.dir, "other.db"));
    await others.catchUp();
    expect(await others.root(709)).toEqual(await again.root(709));
    expect(await others.root(checkpoint.size)).toEqual(await first.root(checkpoint.size));
  });

  it("cause no other head: only what others write does", async () => {
    const here = await opened();
    await appendLeaves(here.kit.log, 5);
    const keeper = await here.keeperOf("e-1");
    const head = await signNow(here, keeper);
    expect(head?.size).toBe(5);
    await keeper.catchUp();
    expect(await keeper.hasOthersSince(5)).toBe(false);
    await appendLeaves(here.kit.log, 1);
    await keeper.catchUp();
    expect(await keeper.hasOthersSince(5)).toBe(true);
  });

  it("of a new incarnation name the newest one before", async () => {
    const here = await opened();
    await appendLeaves(here.kit.log, 5);
    const before = await signNow(here, await here.keeperOf("e-1"));
    await appendLeaves(here.kit.log, 2);
    // The tree's file is of the incarnation before: it is made anew, and the tree is the same.
    const after = await signNow(here, await here.keeperOf("e-2"));
    expect(after).toMatchObject({ size: 9, previous: { epoch: "e-1", size: 5, root: before?.root } });
    expect(isSigned(after, keysIn(await treeEvents(here.kit)))).toBe(true);
    await appendLeaves(here.kit.log, 1);
    expect(await signNow(here, await here.keeperOf("e-2"))).not.toHaveProperty("previous");
  });

  it("are signed by another key after a rotation, which both keys sign", async () => {
    const here = await opened();
    await appendLeaves(here.kit.log, 5);
    const keeper = await here.keeperOf("e-1");
    const first = await signNow(here, keeper);
    const added = await here.signer.rotate({ kind: "operator", userId: "root" });
    expect(added).toMatchObject({ replaces: first?.keyId, by: { kind: "operator" } });
    const [old, next] = keysIn(await treeEvents(here.kit)).map(({ publicKey }) => publicKeyOf(publicKey));
    if (old === undefined || next === undefined) throw new Error("two keys were to be named");
    expect(verifyText(next, keyText(added), added.signature)).toBe(true);
    expect(verifyText(old, keyText(added), added.replacedSignature ?? "")).toBe(true);
    await appendLeaves(here.kit.log, 1);
    expect((await signNow(here, keeper))?.keyId).toBe(added.keyId);
    const kept = await openTreeKeyFile(here.keyPath).candidates(added.keyId);
    expect(kept.map((key) => treeKeyId(createPublicKey(key)))).toEqual([added.keyId]);
  });

  it("are signed by the key that the log names when a rotation ended between the log and the file", async () => {
    const here = await opened();
    await appendLeaves(here.kit.log, 5);
    const keeper = await here.keeperOf("e-1");
    await signNow(here, keeper);
    const keys = openTreeKeyFile(here.keyPath);
    const first = (await readTreeStanding(here.kit.log)).keyId;
    const adopt = (keyId: string) => (keyId === first ? keys.adopt(keyId) : Promise.reject(new Error("killed")));
    const killed = createTreeSigner({
      ...{ log: here.kit.log, keys: { ...keys, adopt } },
      ...{ clock: () => 1_760_000_100_000, ids: { uuid: randomUUID } },
    });
    await expect(killed.rotate({ kind: "operator" })).rejects.toThrow("killed");
    const { keyId } = await readTreeStanding(here.kit.log);
    await appendLeaves(here.kit.log, 1);
    expect((await signNow(here, keeper))?.keyId).toBe(keyId);
    expect(keysIn(await treeEvents(here.kit))).toHaveLength(2);
    // The next rotation does not write over the key in force.
    expect(await here.signer.rotate({ kind: "operator" })).toMatchObject({ replaces: keyId });
  });

  it("are known however often keys have replaced each other since", async () => {
    const here = await opened();
    await appendLeaves(here.kit.log, 5);
    const keeper = await here.keeperOf("e-1");
    const head = await signNow(here, keeper);
    for (let rotations = 0; rotations < 25; rotations += 1) await here.signer.rotate({ kind: "operator" });
    expect((await readTreeStanding(here.kit.log)).head).toEqual(head);
  });

  it("begin with a new key, unlinked and told of, when the one in force is lost", async () => {
    const here = await opened();
    await appendLeaves(here.kit.log, 5);
    const keeper = await here.keeperOf("e-1");
    const first = await signNow(here, keeper);
    rmSync(here.keyPath);
    // What cannot be signed by the key in force is no rotation.
    await expect(here.signer.rotate({ kind: "operator" })).rejects.toThrow("Put it back");
    rmSync(`${here.keyPath}.next`);
    await appendLeaves(here.kit.log, 1);
    const next = await signNow(here, keeper);
    expect(here.lost).toEqual([[first?.keyId, next?.keyId]]);
    const [old, added] = keysIn(await treeEvents(here.kit));
    expect(added).toMatchObject({ keyId: next?.keyId, replaces: first?.keyId });
    expect(added).not.toHaveProperty("replacedSignature");
    const [a, b] = [old, added].map((key) => publicKeyOf(key?.publicKey ?? ""));
    if (a === undefined || b === undefined) throw new Error("two keys were to be named");
    const events = () => pagesOf(here.kit.log, noPosition);
    for (const trusted of [[a], [b]])
      expect((await verifyLog({ events, trusted })).finding).toMatchObject({ kind: "key" });
    // Who was given both is content.
    expect(await verifyLog({ events, trusted: [a, b] })).toMatchObject({ heads: 2, keys: 2 });
    expect((await verifyLog({ events, trusted: [a, b] })).finding).toBeUndefined();
  });

  it("are not signed with a file that holds no key, and the way out is said", async () => {
    const here = await opened();
    await appendLeaves(here.kit.log, 5);
    writeFileSync(here.keyPath, "nonsense", { mode: 0o600 });
    await expect(signNow(here, await here.keeperOf("e-1"))).rejects.toThrow("restore it from its backup; without one");
    expect(await treeEvents(here.kit)).toEqual([]);
  });
});
