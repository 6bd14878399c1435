import { randomUUID } from "node:crypto";
import { expect, it, vi } from "vitest";
import { gatewayLimits as bounds } from "../../../src/gateway/limits.js";
import { createConnection, createGatewayKit, createApp } from "../session/dispatch-kit.js";

/** A dispatcher that notes which devices are told to be in use. */
const start = () => {
  const used: string[] = [];
  const memory = createApp();
  const app = {
    ...memory.app,
    used: ({ userId, deviceId }: { userId: string; deviceId: string }) => void used.push(`${userId}/${deviceId}`),
  };
  const kit = createGatewayKit({ ...memory, app });
  const open = async (userId: string, issuedAt: number) => {
    const client = createConnection(userId);
    await kit.dispatcher.opened(client.connection, { ...client.connection.actor, expiresAt: Infinity, issuedAt }, {});
    const answer = (id: string) =>
      vi.waitFor(() => {
        const found = client.frames.find((frame) => frame.id === id);
        if (found === undefined) throw new Error(`no answer to ${id}`);
        return found;
      });
    const refresh = (token: string) => {
      kit.dispatcher.text(client.connection, JSON.stringify({ type: "auth.refresh", id: token, payload: { token } }));
      return answer(token);
    };
    return { ...client, refresh };
  };
  return { kit, used, open };
};

/** Alice's phone. */
const removeAt = async (kit: ReturnType<typeof createGatewayKit>, now: number) => {
  const by = { kind: "user" as const, userId: "alice", deviceId: "phone" };
  const context = () => ({ commandId: randomUUID(), correlationId: "c", now, by });
  await kit.app.commands.registerDevice({}, context());
  await kit.app.commands.removeDevice({ deviceId: "phone" }, context());
  kit.deviceAccess.deviceRemoved("alice", "phone");
};

it("a device is in use when it comes, every half hour that it stays, and when it goes", async () => {
  const { kit, used, open } = start();
  const { connection } = await open("alice", 1);
  expect(used).toEqual(["alice/phone"]);
  const half = bounds.usesMs / 2;
  for (let passed = 0; passed < 6 * half; passed += half) {
    kit.pass(half);
    kit.dispatcher.tick();
  }
  expect(used).toHaveLength(4);
  kit.pass(1_000);
  kit.dispatcher.closed(connection);
  expect(used).toHaveLength(5);
  await kit.dispatcher.drain();
});

it("one that may not come in is not in use", async () => {
  const { kit, used, open } = start();
  await removeAt(kit, 20);
  const { connection, closes } = await open("alice", 10);
  expect(closes).toEqual([4401]);
  kit.pass(bounds.usesMs);
  kit.dispatcher.tick();
  kit.dispatcher.closed(connection);
  expect(used).toEqual([]);
});

it("auth.refresh refuses a token of before the removal, and looks at the device by the token that it was shown last", async () => {
  const { kit, open } = start();
  const { refresh, connection } = await open("alice", 10);
  await removeAt(kit, 20);
  expect((await refresh("alice/phone/15")).payload).toMatchObject({ code: "UNAUTHORIZED" });
  expect(connection.issuedAt).toBeUndefined();
  expect((await refresh("alice/phone/30")).type).toBe("ack");
  expect(connection.issuedAt).toBe(30);
  expect((await refresh("alice/phone/19")).payload).toMatchObject({ code: "UNAUTHORIZED" });
  expect((await refresh("bob/phone/30")).payload).toMatchObject({ code: "UNAUTHORIZED" });
  expect(connection.issuedAt).toBe(30);
  expect(kit.metrics.filter((metric) => metric === "authentication refresh")).toHaveLength(3);
});
