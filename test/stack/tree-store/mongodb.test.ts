/** The tree's hashes and its keys in MongoDB, written by two projectors at once: the same as in one file. */
import { randomBytes, randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { openTreeKeeper } from "../../../src/audit/tree/keeper.js";
import { createTreeSigner, readTreeStanding } from "../../../src/audit/tree/signer.js";
import { openMongoKeyStore } from "../../../src/infra/key-store/mongodb/key-store.js";
import { treeKeysIn } from "../../../src/infra/tree-keys/key-store.js";
import { openMongoTree } from "../../../src/infra/tree-store/mongodb/tree-store.js";
import { engine } from "../../kit/engines.js";
import { openLogKit } from "../../kit/log.js";
import { appendLeaves, memoryTree } from "../../kit/tree.js";
import { openTestDatabase } from "../view-store/mongodb/views-kit.js";

const url = engine("PARLEY_MONGODB_URL");

it.skipIf(url === undefined)(
  "two projectors keep one tree in MongoDB, and sign with one key, also after a rotation",
  async () => {
    const kit = await openLogKit();
    const database = await openTestDatabase(url ?? "");
    const keys = openMongoKeyStore({ db: database.db, masterKeys: [randomBytes(32)] });
    try {
      const keeperOf = (store = openMongoTree(database.db)) => openTreeKeeper({ source: kit.log, store, epoch: "e-1" });
      const signerOf = () =>
        createTreeSigner({
          log: kit.log,
          keys: treeKeysIn(keys),
          clock: () => 1_760_000_000_000,
          ids: { uuid: randomUUID },
        });
      await appendLeaves(kit.log, 200);
      const [ahead, behind] = [await keeperOf(), await keeperOf()];
      await ahead.catchUp();
      await appendLeaves(kit.log, 400);
      // The one that lags must take nothing back that the other has written.
      await Promise.all([ahead.catchUp(), behind.catchUp()]);
      const alone = await keeperOf(memoryTree());
      const { checkpoint } = await alone.catchUp();
      const root = await alone.root(checkpoint.size);
      for (const keeper of [ahead, behind, await keeperOf()]) {
        expect((await keeper.catchUp()).checkpoint).toEqual(checkpoint);
        expect(await keeper.root(checkpoint.size)).toEqual(root);
      }
      const signed = await Promise.all(
        [signerOf(), signerOf()].map((signer) => signer.sign({ size: 600, root, epoch: "e-1" })),
      );
      expect(signed.filter((head) => head !== undefined)).toHaveLength(1);
      const { keyId } = await signerOf().rotate({ kind: "operator" });
      expect((await signerOf().sign({ size: 602, root: await alone.root(600), epoch: "e-1" }))?.keyId).toBe(keyId);
      expect((await readTreeStanding(kit.log)).keyId).toBe(keyId);
    } finally {
      await keys.close();
      await database.drop();
      await kit.dispose();
    }
  },
);
