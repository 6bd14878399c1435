import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isUserId } from "../../src/domain/kernel/ids.js";
import { seed, withSeed } from "../kit/seed.js";
import { startServer, type TestServer } from "../kit/server.js";
import { caller, connecting, outcomeOf, text, wireDevice, type Payload } from "../kit/wire.js";

/** What identity providers say in `sub`, and what is special elsewhere: in paths, patterns, JSON objects and SQL. */
const known = ["auth0|5f7c8ec7", "a+b@example.org", "...", "-", "__proto__", "constructor", "a:b|c@d+e", "|", "+", "@"];
const alphabet = fc.constantFrom(...Array.from("ABCXYZabcxyz0189_.:@+|-"));
const ids = fc
  .oneof(fc.constantFrom(...known), fc.string({ unit: alphabet, minLength: 1, maxLength: 128 }))
  .filter((id) => id !== "." && id !== "..");

describe(`ids of every form (seed ${seed})`, () => {
  const used = new Set<string>();
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.dispose());

  it(
    "connect, write, are found by their path and taken away again",
    () =>
      fc.assert(
        fc.asyncProperty(ids, ids, ids, async (userId, peerId, deviceId) => {
          // A device that was removed comes back with a later token only.
          const devices = [userId, peerId].map((each) => `${each} ${deviceId}`);
          fc.pre(userId !== peerId && devices.every((each) => !used.has(each)));
          for (const each of devices) used.add(each);
          const device = await wireDevice(server, userId, deviceId);
          const own = { userId };
          expect((await device.frame("connected")).payload).toMatchObject({ userId, deviceId });
          const path = (id: string) => encodeURIComponent(id);
          expect(outcomeOf(await device.rest("PUT /me", { displayName: `I am ${userId.slice(0, 50)}` }))).toBe("ok");
          expect((await device.rest(`GET /users/${path(userId)}`)).body).toMatchObject(own);
          // As they stand, without being encoded, where a path allows it.
          if (!userId.includes("%")) expect((await device.rest(`GET /users/${userId}`)).body).toMatchObject(own);
          const direct = (await device.rest("POST /conversations", { type: "direct", participantIds: [peerId] })).body;
          expect(direct.peerId).toBe(peerId);
          const conversationId = direct.conversationId as string;
          const sent = { conversationId, clientMessageId: `${deviceId}~ !`.slice(0, 64), content: text("hello") };
          expect(outcomeOf(await device.ask("message.send", sent))).toBe("ok");
          const group = (await device.rest("POST /groups", { name: "Group", participantIds: [peerId] })).body;
          const members = `/conversations/${String(group.conversationId)}/members`;
          const listed = (await device.rest(`GET ${members}`)).body.members as Payload[];
          expect(listed.map((member) => member.userId).toSorted()).toEqual([userId, peerId].toSorted());
          expect(outcomeOf(await device.rest(`PATCH ${members}/${path(peerId)}`, { role: "admin" }))).toBe("ok");
          expect(outcomeOf(await device.rest(`DELETE ${members}/${path(peerId)}`))).toBe("ok");
          const peer = await caller(server, peerId, deviceId);
          const history = (await peer.rest(`GET /conversations/${conversationId}/messages`)).body.messages as Payload[];
          expect(history.map((message) => message.senderId)).toContain(userId);
          const synced = (await peer.rest("POST /sync", {})).body.newConversations as { conversation: Payload }[];
          expect(synced.map(({ conversation }) => conversation.conversationId)).toContain(conversationId);
          expect(outcomeOf(await device.rest(`PUT /conversations/${conversationId}/preferences`, { pinned: 1 }))).toBe(
            "ok",
          );
          expect(outcomeOf(await device.rest(`DELETE /me/devices/${path(deviceId)}`))).toBe("ok");
          expect((await device.closed).code).toBe(4401);
        }),
        withSeed({ numRuns: 15 }),
      ),
    60_000,
  );

  it.each([".", "..", "", "a b", "a/b", "é", "a".repeat(129)])("%j is nobody's", async (id) => {
    expect(isUserId(id)).toBe(false);
    expect(await connecting(server, await server.token(id, "phone"))).toBe(401);
    expect(await connecting(server, await server.token("alice", id))).toBe(401);
  });
});
