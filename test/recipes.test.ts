/** The recipes of docs/OPERATIONS.md, as they stand there. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { newestEpoch, openEpoch } from "../src/commands/epoch.js";
import { startEventStoreServer } from "../src/eventstore-server/server.js";
import { openSqliteLog } from "../src/infra/event-log/sqlite/event-log.js";
import { openSqliteKeyStore } from "../src/infra/key-store/sqlite/key-store.js";
import { firstRevision, streamOf, type RecordedEvent } from "../src/domain/kernel/stream.js";
import { openLogKit, writeLongConversation, type LogKit } from "./kit/log.js";
import { noRevision } from "../src/domain/kernel/stream.js";

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
    const keys = await openSqliteKeyStore(join(work, "backup", "keys.db"));
    expect(await keys.find("alice/2026-11/x")).toEqual(key);
    await keys.close();
    expect(readFileSync(join(work, "backup", "token.secret"), "utf8")).toBe("secret");
  } finally {
    await kit.dispose();
    rmSync(work, { recursive: true, force: true });
  }
}, 60_000);

it("a new epoch is written by the operator, and the log is opened with it", async () => {
  const kit = await openLogKit();
  const problems: Error[] = [];
  const onProblem = (error: Error) => problems.push(error);
  const server = await startEventStoreServer({ log: kit.log, host: "127.0.0.1", port: 0, writable: true, onProblem });
  try {
    const first = await openEpoch(kit.log, "main", Date.now, { uuid: randomUUID });
    const env = { ...process.env, PARLEY_EVENTSTORE_URL: server.url };
    const script = recipeWith('readStream("parley-log"');
    const recipe = spawn("sh", ["-ec", script], { env, stdio: ["ignore", "ignore", "inherit"], timeout: 30_000 });
    expect(await once(recipe, "exit")).toEqual([0, null]);
    const [before, after] = await kit.log.readStream(streamOf.log, firstRevision, 3);
    const metaOf = (event: RecordedEvent | undefined) => JSON.parse(event?.meta ?? "") as Record<string, unknown>;
    const [was, is] = [metaOf(before), metaOf(after)];
    expect(is).toMatchObject({ by: { kind: "operator", userId: userInfo().username }, schema: was.schema });
    expect(Object.keys(is).toSorted()).toEqual(Object.keys(was).toSorted());
    for (const id of ["commandId", "correlationId"]) expect(is[id]).not.toBe(was[id]);
    const epoch = await newestEpoch(kit.log);
    expect(epoch).not.toBe(first);
    expect(await openEpoch(kit.log, "main", Date.now, { uuid: randomUUID })).toBe(epoch);
    expect(problems).toEqual([]);
  } finally {
    await server.close();
    await kit.dispose();
  }
}, 60_000);
