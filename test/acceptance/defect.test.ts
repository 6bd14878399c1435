/** A projection with a defect, from the first sign of it to views that are right again: what an operator does, command by command. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { newestEpoch } from "../../src/commands/epoch.js";
import { noPosition, streamOf } from "../../src/domain/kernel/stream.js";
import { openSqliteLogReader } from "../../src/infra/event-log/sqlite/file-reader.js";
import { openSqliteViewsFile } from "../../src/infra/view-store/sqlite/views-file.js";
import { replay } from "../../src/operate/replay/replay.js";
import { project } from "../../src/projections/registry.js";
import { projectBatch, type Project } from "../../src/projections/runner.js";
import { jsonLines, run } from "../cli/run.js";
import { eventually } from "../kit/device.js";
import { startServer, type TestServer } from "../kit/server.js";
import { temporaryDirectory } from "../kit/sqlite-views.js";
import { text, wireDevice } from "../kit/wire.js";

let server: TestServer;
const { path, remove } = temporaryDirectory();
beforeAll(async () => {
  server = await startServer();
});
afterAll(async () => {
  await server.dispose();
  remove();
});

/** The test build: whoever reads has read one message less. */
const defective: Project = (event, place) =>
  project(event, place).map((change) =>
    change.kind === "raise" && change.view === "members" && (change.fields.readUpTo ?? 0) > 0
      ? { ...change, fields: { ...change.fields, readUpTo: (change.fields.readUpTo ?? 0) - 1 } }
      : change,
  );

/** The views of a stopped server, as that build has made them. */
const buildDefectively = async (): Promise<void> => {
  const views = join(server.dataDir, "views.db");
  for (const suffix of ["", "-wal", "-shm"]) rmSync(views + suffix, { force: true });
  const log = openSqliteLogReader(join(server.dataDir, "log.db"));
  const { changes, position = noPosition } = projectBatch(await log.readAll(noPosition, 10_000), defective);
  const file = openSqliteViewsFile(views);
  file.apply(changes, { position, epoch: (await newestEpoch(log)) ?? "" });
  file.close();
  log.close();
};

const parley = async (...args: readonly string[]) => {
  const ran = await run([...args, "--data", server.dataDir, "--json"]);
  return { code: ran.code, lines: jsonLines(ran) };
};

it("a defect of a projection is found by reconcile, explained, shown between two builds by diff, and repaired by a rebuild", async () => {
  const [alice, bob] = [await wireDevice(server, "alice"), await wireDevice(server, "bob")];
  const started = await alice.rest("POST /conversations", { type: "direct", participantIds: ["bob"] });
  const conversationId = String(started.body.conversationId);
  for (let number = 1; number <= 5; number += 1) {
    const content = text(`number ${number}`);
    await alice.ask("message.send", { conversationId, clientMessageId: `c${number}`, content });
  }
  await bob.ask("message.read", { cursors: [{ conversationId, upToSequence: 4 }] });
  const unreadOf = async (): Promise<unknown> => {
    const reader = await wireDevice(server, "bob", "laptop");
    const { body } = await reader.rest(`GET /conversations/${conversationId}`);
    await reader.close();
    return (body.state as { readonly unread: number }).unread;
  };
  await eventually(async () => (await unreadOf()) === 1, "the views have what bob has read");
  await alice.close();
  await bob.close();
  await server.terminate();
  await buildDefectively();
  await server.start();
  expect(await unreadOf()).toBe(2);

  const proof = { type: "ReceiptsAdvanced", stream: streamOf.receipts(conversationId) };
  const reconciled = await parley("projections", "reconcile", "inbox");
  expect(reconciled.code).toBe(1);
  expect(reconciled.lines[0]).toMatchObject({
    drift: {
      view: "members",
      key: [conversationId, "bob"],
      fields: [{ field: "readUpTo", stored: 3, right: 4, proof }],
    },
  });
  const unread = ["explain", "unread", "--user", "bob", "--conversation", conversationId] as const;
  const explained = await parley(...unread);
  expect(explained).toMatchObject({ code: 1 });
  expect(explained.lines[0]).toMatchObject({
    explanation: { verdict: "drifted", shown: { unread: 2 }, fromLog: { unread: 1 } },
  });

  const [before, after] = [join(path, "before.db"), join(path, "after.db")];
  const target = { profile: "embedded", dir: server.dataDir } as const;
  await replay(target, { name: "all", into: before, project: defective, onProgress: () => undefined });
  expect(await parley("projections", "replay", "all", "--into", after)).toMatchObject({ code: 0 });
  const builds = await parley("projections", "diff", before, after);
  expect(builds).toMatchObject({
    code: 1,
    lines: [{ diff: { samples: [{ view: "members", fields: [{ field: "readUpTo", a: 3, b: 4, right: 4, proof }] }] } }],
  });

  const rebuilt = await parley("projections", "rebuild", "inbox");
  expect(rebuilt).toMatchObject({
    code: 1,
    lines: [{ rebuilt: { switched: false, differentByView: { members: 1 }, samples: [{ right: "built" }] } }],
  });
  expect(await unreadOf()).toBe(2);
  expect(await parley("projections", "rebuild", "inbox", "--accept-diff")).toMatchObject({
    code: 0,
    lines: [{ rebuilt: { switched: true } }],
  });
  expect(await unreadOf()).toBe(1);
  expect((await parley("projections", "reconcile", "all")).code).toBe(0);
  expect((await parley(...unread)).code).toBe(0);
  expect((await parley("projections", "diff", after, "live")).code).toBe(0);
});
