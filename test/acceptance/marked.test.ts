/** Nothing that people fill in is in the bytes of a data directory: log, views, snapshots, keys, WALs and free pages. */
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ShownEvent } from "../../src/operate/inspect/log.js";
import { json, jsonLines, run } from "../cli/run.js";
import { createMarkers, filesBelow, markedFields, markedFiles, markedIn, writeMarkers } from "../kit/markers.js";
import { startServer, type TestServer } from "../kit/server.js";
import { wireDevice } from "../kit/wire.js";

const people = ["alice", "bob", "carol"] as const;

describe("with sealing on", () => {
  const markers = createMarkers();
  let server: TestServer;
  let conversationId = "";
  beforeAll(async () => {
    server = await startServer();
    ({ conversationId } = await writeMarkers(server, markers, people));
  });
  afterAll(() => server.dispose());

  const namesIn = (dir: string): readonly string[] => filesBelow(dir).map((file) => basename(file));

  it("no marker is in any file, as a kill leaves them, with their WALs", async () => {
    await server.kill();
    expect(namesIn(server.dataDir)).toEqual(
      expect.arrayContaining(["log.db", "log.db-wal", "views.db", "views.db-wal", "snapshots.db", "keys.db"]),
    );
    expect(markedFiles(server.dataDir, markers)).toEqual([]);
  });

  it("no marker is in any file after a start that went on from them, and its end", async () => {
    await server.start();
    const alice = await wireDevice(server, "alice");
    const renamed = await alice.rest(`PATCH /conversations/${conversationId}`, { name: markers.of("group name") });
    expect(renamed.body).toMatchObject({
      name: markers.of("group name"),
      description: markers.of("changed description"),
    });
    const { body } = await alice.rest("GET /me");
    expect(body.displayName).toBe(markers.of("changed display name"));
    expect(markedFiles(server.dataDir, markers)).toEqual([]);
    await server.terminate();
    expect(markedFiles(server.dataDir, markers)).toEqual([]);
    expect(server.said()).toContain(server.url());
    expect(markedIn(Buffer.from(server.said()), markers)).toEqual([]);
    // There was something to be found in: the snapshot of the group, and its row in the views.
    for (const file of ["snapshots.db", "views.db", "log.db"])
      expect(statSync(join(server.dataDir, file)).size).toBeGreaterThan(16 * 1024);
  });
});

describe("operators", () => {
  const markers = createMarkers();
  let server: TestServer;
  let stream = "";
  beforeAll(async () => {
    server = await startServer();
    const { conversationId } = await writeMarkers(server, markers, people);
    stream = `conversation-${conversationId}`;
  });
  afterAll(() => server.dispose());

  it("see names, descriptions and emoji sealed, and opened where they ask for it", async () => {
    const args = ["events", "tail", "--json", "--limit", "5000", "--data", server.dataDir];
    expect((await run(args)).stdout).not.toContain(markers.core);
    const events = jsonLines(await run([...args, "--open", "--reason", "test"])) as ShownEvent[];
    const opened = (type: string, of = stream) =>
      events.filter((event) => event.type === type && event.stream === of).map((event) => event.opened);
    const [name, description] = [markers.of("group name"), markers.of("description")];
    const [newName, newDescription] = [markers.of("changed group name"), markers.of("changed description")];
    expect(opened("ConversationStarted")).toEqual([{ name, description }]);
    expect(opened("SettingsChanged")).toEqual([{ name: newName }, { description: newDescription }]);
    expect(opened("MemberJoined")).toEqual([
      { name, description },
      { name: newName, description: newDescription },
    ]);
    expect(opened("ProfileChanged", "user-alice")).toEqual([
      { displayName: markers.of("display name") },
      { displayName: markers.of("changed display name") },
    ]);
    const [emoji, removed] = [`:${markers.of("emoji")}:`, `:${markers.of("removed emoji")}:`];
    expect(opened("ReactionAdded")).toEqual([{ emoji }, { emoji: removed }]);
    const line = await run([
      "events",
      "tail",
      "--open",
      "--reason",
      "test",
      "--type",
      "SettingsChanged",
      "--data",
      server.dataDir,
    ]);
    expect(line.stdout).toContain(newName);
  });

  it("learn from doctor whether names open, too", async () => {
    const alice = await wireDevice(server, "alice");
    await alice.rest("POST /groups", { name: "Newest", participantIds: [] });
    const { checks } = json(await run(["doctor", "--json", "--data", server.dataDir])) as {
      checks: readonly { name: string; says: string }[];
    };
    expect(checks.find(({ name }) => name === "keys")?.says).toContain("20 of 20 of the newest sealed texts open");
  });
});

describe("with sealing off", () => {
  const markers = createMarkers();
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer([], { PARLEY_SEAL: "off" });
    await writeMarkers(server, markers, people);
  });
  afterAll(() => server.dispose());

  it("the same search finds the marker of every field, and in every kind of file", async () => {
    await server.terminate();
    const found = markedFiles(server.dataDir, markers);
    expect([...new Set(found.flatMap(({ fields }) => fields))].toSorted()).toEqual([...markedFields].toSorted());
    expect(found.map(({ file }) => basename(file))).toEqual(
      expect.arrayContaining(["log.db", "views.db", "snapshots.db"]),
    );
  });
});

it("a marker is found in every form", () => {
  const markers = createMarkers();
  const marker = markers.of("text");
  const utf16 = Buffer.from(`xx${marker}`, "utf16le");
  const forms = [
    Buffer.from(`x${marker}x`),
    utf16,
    Buffer.from(utf16).swap16(),
    Buffer.from(Buffer.from(marker).toString("hex")),
    ...["", "x", "xx", "xxx"].map((before) => Buffer.from(Buffer.from(`${before}${marker}xyz`).toString("base64"))),
    Buffer.from(JSON.stringify(JSON.stringify({ text: `"${marker}"` }))),
  ];
  for (const form of forms) expect(markedIn(form, markers)).toEqual(["text"]);
  expect(markedIn(Buffer.from(createMarkers().of("text")), markers)).toEqual([]);
});
