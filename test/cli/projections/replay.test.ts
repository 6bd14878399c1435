import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Client } from "../../../client/index.js";
import { openSqliteViewsFile } from "../../../src/infra/view-store/sqlite/views-file.js";
import type { Diff } from "../../../src/operate/diff/diff.js";
import { replay, type Replayed } from "../../../src/operate/replay/replay.js";
import { project } from "../../../src/projections/registry.js";
import { connectDevice, text } from "../../kit/device.js";
import { startServer, type TestServer } from "../../kit/server.js";
import { temporaryDirectory } from "../../kit/sqlite-views.js";
import { json, run } from "../run.js";

let server: TestServer;
let alice: Client;
let conversationId: string;
const { path, remove } = temporaryDirectory();
const file = (name: string): string => join(path, name);

beforeAll(async () => {
  server = await startServer();
  alice = await connectDevice(server, "alice", "phone");
  ({ conversationId } = await alice.createGroup({ name: "Friends", participantIds: ["bob", "carol"] }));
  for (let number = 0; number < 10; number += 1) await alice.send(conversationId, text(`secret ${number}`)).accepted;
  const { messageId } = await alice.send(conversationId, text("misspelt")).accepted;
  await alice.edit(conversationId, messageId, text("spelt"));
  await alice.members(conversationId);
});
afterAll(async () => {
  alice.close();
  await server.dispose();
  remove();
});

const projections = (...args: readonly string[]) => run(["projections", ...args, "--data", server.dataDir]);
const replayed = async (...args: readonly string[]): Promise<Replayed> => {
  const ran = await projections("replay", ...args, "--json");
  expect(ran.stderr).toBe("");
  return (json(ran) as { readonly replayed: Replayed }).replayed;
};
const diff = async (a: string, b: string): Promise<{ readonly code: number; readonly diff: Diff }> => {
  const ran = await projections("diff", a, b, "--json");
  return { code: ran.code, ...(json(ran) as { readonly diff: Diff }) };
};

describe("parley projections replay and diff", () => {
  test("a scratch copy that was made in two steps is what the live views are, and those are not touched", async () => {
    const into = file("all.db");
    const half = await replayed("all", "--to", "8", "--into", into);
    expect(half).toMatchObject({ to: 8, events: 8 });
    const { to, events } = await replayed("all", "--into", into);
    expect(events).toBe(to - 8);
    const same = await diff(into, "live");
    expect(same).toMatchObject({ code: 0, diff: { of: "rows", samples: [] } });
    const rows = same.diff.of === "rows" ? same.diff.views : [];
    expect(rows.find(({ view }) => view === "messages")).toMatchObject({ same: 11, moved: 0 });
    await alice.send(conversationId, text("one more")).accepted;
    await alice.members(conversationId);
    // What came after the copy is no difference of it.
    expect((await diff(into, "live")).code).toBe(0);
    await replayed("receipts", "--into", file("receipts.db"));
    expect((await diff(file("receipts.db"), "live")).code).toBe(0);
  });

  test("a defect of a build is a difference between its copy and another's, with the event that proves what is right", async () => {
    const target = { profile: "embedded", dir: server.dataDir } as const;
    await replay(target, {
      name: "messages",
      into: file("defective.db"),
      onProgress: () => undefined,
      project: (event, place) => (event.type === "MessageEdited" ? [] : project(event, place)),
    });
    await replayed("messages", "--into", file("right.db"));
    const found = await diff(file("defective.db"), file("right.db"));
    expect(found).toMatchObject({
      code: 1,
      diff: { samples: [{ view: "messages", key: [conversationId, 11], kind: "different" }] },
    });
    const proofs = found.diff.of === "rows" ? found.diff.samples.flatMap(({ fields }) => fields) : [];
    expect(proofs.find(({ field }) => field === "content")?.proof).toMatchObject({ type: "MessageEdited" });
    expect((await projections("diff", file("defective.db"), file("right.db"))).stdout).toContain("MessageEdited at");
  });

  test("a capture is the same bytes each time, opens nothing, and is compared with another effect by effect", async () => {
    const [a, b] = [file("a.ndjson"), file("b.ndjson")];
    const { effects } = await replayed("delivery", "--from", "5", "--to", "12", "--capture", a);
    expect(effects).toBeGreaterThan(0);
    await replayed("delivery", "--from", "5", "--to", "12", "--capture", b);
    const bytes = readFileSync(a, "utf8");
    expect(readFileSync(b, "utf8")).toBe(bytes);
    expect(bytes).not.toContain("secret");
    expect(existsSync(`${a}.views`)).toBe(false);
    expect(await diff(a, b)).toEqual({
      code: 0,
      diff: { of: "effects", same: effects, onlyA: 0, onlyB: 0, samples: [] },
    });
    writeFileSync(b, bytes.replace('"to":["alice"]', '"to":["mallory"]'));
    expect(await diff(a, b)).toMatchObject({ code: 1, diff: { onlyA: 1, onlyB: 1, samples: [{ position: 5 }] } });
    const cut = file("cut.ndjson");
    writeFileSync(cut, bytes.split("\n").slice(0, -2).join("\n"));
    expect((await projections("diff", a, cut)).stderr).toMatch(/cut.ndjson is no whole capture/);
  });

  test("refuses what is not its own scratch copy, and what it cannot mean", async () => {
    appendFileSync(file("text"), "words\n");
    openSqliteViewsFile(file("views-of-mine.db")).close();
    const refused = async (...args: readonly string[]) => {
      const { code, stderr } = await projections("replay", ...args);
      return { code, stderr: stderr.trim() };
    };
    for (const other of ["text", "views-of-mine.db"])
      expect(await refused("all", "--into", file(other))).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/is there already and is no scratch copy of views: name another file/) as string,
      });
    expect(await refused("inbox", "--into", file("all.db"))).toMatchObject({ code: 1 });
    expect(await refused("all", "--into", join(server.dataDir, "views.g7.db"))).toMatchObject({ code: 1 });
    expect(await refused("all", "--to", "1000000", "--into", file("x.db"))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/beyond the log's end/) as string,
    });
    expect(existsSync(file("x.db"))).toBe(false);
    expect(await refused("delivery", "--capture", file("a.ndjson"))).toMatchObject({ code: 1 });
    const unclear = [["delivery"], ["all"], ["inbox", "--capture", "x"], ["inbox", "--into", "x", "--from", "3"]];
    expect((await Promise.all(unclear.map((args) => refused(...args)))).map(({ code }) => code)).toEqual([2, 2, 2, 2]);
    expect((await projections("diff", file("none"), "live")).stderr).toMatch(/There is no/);
  });
});
