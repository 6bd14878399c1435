import { expect, it } from "vitest";
import { createHub, type HubConnection } from "../../../src/gateway/connections/hub.js";
import { createLocalBus } from "../../../src/infra/bus/local.js";

const connect = (userId: string, deviceId: string) => {
  const said: string[] = [];
  const connection: HubConnection = {
    connectionId: `${userId}/${deviceId}`,
    actor: { userId, deviceId },
    deviceType: "web",
    send: (frame, ephemeral) => void said.push(`${frame.toString()}${ephemeral === true ? " ephemeral" : ""}`),
    close: (code) => void said.push(`closed ${code}`),
  };
  return { connection, said };
};

it("says which device was removed after what was delivered before", async () => {
  const hub = createHub();
  const phone = connect("alice", "phone");
  hub.register(phone.connection);
  const bus = createLocalBus({
    ...hub,
    disconnect: (userId, deviceId) => void phone.said.push(`${userId}/${deviceId} was removed`),
  });
  await bus.deliver([{ recipients: ["alice"], frame: "before" }]);
  bus.disconnect("alice", "phone");
  expect(phone.said).toEqual(["before", "alice/phone was removed"]);
});

it("says which frames may be shed, to few recipients and to many", async () => {
  const hub = createHub();
  const bus = createLocalBus({ ...hub, disconnect: () => undefined });
  const alice = connect("alice", "phone");
  hub.register(alice.connection);
  const many = Array.from({ length: 50 }, (_, index) => `u${index}`);
  await bus.deliver([
    { recipients: ["alice"], frame: "1", ephemeral: true },
    { recipients: [...many, "alice"], frame: "2", ephemeral: true },
    { recipients: ["alice"], frame: "3" },
  ]);
  expect(alice.said).toEqual(["1 ephemeral", "2 ephemeral", "3"]);
});
