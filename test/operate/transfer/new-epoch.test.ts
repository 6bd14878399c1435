import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { beginEpoch, newestStart, openEpoch } from "../../../src/commands/epoch.js";
import { openSqliteLog } from "../../../src/infra/event-log/sqlite/event-log.js";
import { operator } from "../../../src/operate/access.js";
import { newEpoch } from "../../../src/operate/new-epoch.js";
import { lockDirectory } from "../../../src/profiles/data-directory.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "parley-epoch-"));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

const ids = { uuid: () => crypto.randomUUID() };
const target = () => ({ profile: "embedded", dir }) as const;
const withLog = async <A>(use: (log: Awaited<ReturnType<typeof openSqliteLog>>) => Promise<A>): Promise<A> => {
  const log = await openSqliteLog(join(dir, "log.db"));
  try {
    return await use(log);
  } finally {
    await log.close();
  }
};

it("an operator begins an epoch of a log that no server has, and what was made of the log is gone", async () => {
  const first = await withLog((log) => openEpoch(log, "here", Date.now, ids));
  const derived = [
    "views.db",
    "views.db-wal",
    "views.g2.db",
    "views.json",
    "snapshots.db",
    "snapshots.db-shm",
    "tree.db",
  ];
  const kept = ["keys.db", "token.secret", "tree.key", "viewsOfMine"];
  for (const name of [...derived, ...kept]) writeFileSync(join(dir, name), "");
  writeFileSync(join(dir, "views.json"), JSON.stringify({ live: 2, beside: [{ number: 1 }] }));
  const begun = await newEpoch(target(), { reason: "put back by hand" });
  // The next start has to name the cell.
  expect(begun).toMatchObject({ previous: first, cell: "here", head: 1 });
  const start = await withLog(newestStart);
  expect(start).toMatchObject({
    ...{ epoch: begun.epoch, home: "here", cause: "operator", reason: "put back by hand", by: operator() },
    previous: { epoch: first, head: 1 },
  });
  expect(await withLog((log) => openEpoch(log, "here", Date.now, ids))).toBe(begun.epoch);
  const left = readdirSync(dir).filter((name) => !name.startsWith("log.db") && name !== "parley.lock");
  expect(left.toSorted()).toEqual(kept);
});

it("no epoch is begun beside a server, where no log is, or in an import that has not ended", async () => {
  await expect(newEpoch(target(), { reason: "r" })).rejects.toThrow("There is no log");
  const by = { kind: "operator" } as const;
  await withLog((log) => beginEpoch(log, { cause: "importing", by }, Date.now, ids));
  await expect(newEpoch(target(), { reason: "r" })).rejects.toThrow("has not ended");
  const { release } = lockDirectory(dir);
  await expect(newEpoch(target(), { reason: "r" })).rejects.toThrow("Another Parley is using");
  release();
});
