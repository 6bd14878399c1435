import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openSqliteKeyStore, type SqliteKeyStore } from "../../src/infra/key-store/sqlite/key-store.js";
import { readMasterKeyFile } from "../../src/infra/key-store/master-key-file.js";
import { masterKeysFor, rotateMasterKey } from "../../src/profiles/master-key.js";

it("master.key has what wraps the keys at any moment, also when two rotate it at once", async () => {
  const dir = mkdtempSync(join(tmpdir(), "parley-master-key-"));
  const files = { keys: join(dir, "keys.db"), masterKey: join(dir, "master.key") };
  const store = await openSqliteKeyStore(files.keys, await masterKeysFor(files));
  try {
    const key = await store.obtain("alice/2026-11/x");
    const missing: Buffer[] = [];
    const watched: Pick<SqliteKeyStore, "rewrap"> = {
      rewrap: async (masterKeys, onProgress) => {
        const rewrapped = await store.rewrap(masterKeys, onProgress);
        const inFile = (await readMasterKeyFile(files.masterKey)) ?? [];
        if (!inFile.some((known) => known.equals(masterKeys[0]))) missing.push(masterKeys[0]);
        return rewrapped;
      },
    };
    // The sentinel is one of them.
    expect(await Promise.all([rotateMasterKey(files, watched), rotateMasterKey(files, watched)])).toEqual([
      { rewrapped: 2, made: true },
      { rewrapped: 2, made: true },
    ]);
    expect(missing).toEqual([]);
    await store.close();
    const again = await openSqliteKeyStore(files.keys, await masterKeysFor(files));
    expect(await again.find("alice/2026-11/x")).toEqual(key);
    await again.close();
  } finally {
    await store.close();
    rmSync(dir, { recursive: true });
  }
});
