/** The recipes of docs/OPERATIONS.md, as they stand there. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openSqliteLog } from "../src/infra/event-log/sqlite/event-log.js";
import { openSqliteKeyStore } from "../src/infra/key-store/sqlite/key-store.js";
import { openLogKit, writeLongConversation, type LogKit } from "./kit/log.js";
import { noRevision } from "../src/domain/kernel/stream.js";
import { testMasterKeys } from "./kit/master-key.js";

/** The one block of shell that holds this text. */
const recipeWith = (text: string): string => {
  const operations = readFileSync("docs/OPERATIONS.md", "utf8");
  const blocks = [...operations.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = ""]) => block);
  const [found = "", ...others] = blocks.filter((block) => block.includes(text));
  expect([found === "", others]).toEqual([false, []]);
  return found;
};

/** Appends without a pause until it is told to stop; answers how often. */
const writing = (kit: LogKit) => {
  const over = new AbortController();
  const all = (async () => {
    let conversations = 0;
    for (; !over.signal.aborted; conversations++) await writeLongConversation(kit.log, `g_${conversations}`, 1);
    return conversations;
  })();
  return () => {
    over.abort();
    return all;
  };
};

it("the online backup ends beside a busy writer, and what was there when it began is in it", async () => {
  const kit = await openLogKit();
  const work = mkdtempSync(join(tmpdir(), "parley-recipe-"));
  try {
    await writeLongConversation(kit.log, "g_long", 40_000);
    const key = await kit.keys.obtain("alice/2026-11/x");
    const head = await kit.log.head();
    writeFileSync(join(kit.dir, "token.secret"), "secret");
    symlinkSync(kit.dir, join(work, "data"));
    symlinkSync(join(process.cwd(), "node_modules"), join(work, "node_modules"));
    const stop = writing(kit);
    // A recipe that begins again at each commit would go on for as long as the server writes.
    const recipe = spawn("sh", ["-ec", recipeWith(".backup(")], { cwd: work, stdio: "inherit", timeout: 30_000 });
    const ended = await once(recipe, "exit");
    expect(await stop()).toBeGreaterThan(10);
    expect(ended).toEqual([0, null]);
    expect(statSync(join(work, "backup", "log.db")).mode & 0o077).toBe(0);
    const log = await openSqliteLog(join(work, "backup", "log.db"));
    expect(await log.head()).toBeGreaterThanOrEqual(head);
    const [last] = await log.readStream("conversation-g_long", noRevision, 1, "backwards");
    expect(last?.position).toBe(head);
    await log.close();
    const keys = await openSqliteKeyStore(join(work, "backup", "keys.db"), testMasterKeys);
    expect(await keys.find("alice/2026-11/x")).toEqual(key);
    await keys.close();
    expect(readFileSync(join(work, "backup", "token.secret"), "utf8")).toBe("secret");
  } finally {
    await kit.dispose();
    rmSync(work, { recursive: true, force: true });
  }
}, 60_000);
