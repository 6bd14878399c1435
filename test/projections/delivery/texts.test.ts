/** What a conversation is called, in frames: opened where they are made, live and by sync alike. */
import { expect, it } from "vitest";
import { StoreUnavailable } from "../../../src/projections/ports/away.js";
import { eventually } from "../../kit/device.js";
import { by, connect, right, deliveryForEach, syncOf, type ReadSide, type Received } from "./delivery-kit.js";

let side: ReadSide;
const deliver = deliveryForEach((opened) => (side = opened));

/** Starts a group, changes both its texts, and lets carol in. */
const story = async (): Promise<string> => {
  const { commands } = side;
  const { conversationId } = right(
    await commands.startGroup({ name: "Family", description: "At home", participantIds: ["bob"] }, by("alice")),
  );
  right(await commands.changeSettings({ conversationId, name: "Friends" }, by("alice")));
  right(await commands.changeSettings({ conversationId, description: "Out" }, by("alice")));
  right(await commands.joinMembers({ conversationId, userIds: ["carol"] }, by("alice")));
  return conversationId;
};
const saying = ({ frames }: Received) =>
  frames.flatMap(({ type, payload }) => {
    const said = type === "conversation.created" ? payload.conversation : payload.changes;
    if (said === undefined) return [];
    const { name, description } = said as Record<string, unknown>;
    return [{ type, name, description }];
  });
const arrived = (device: Received, frames: number) =>
  eventually(() => saying(device).length >= frames, `${device.actor.userId} has ${frames} frames`);

const forBob = [
  { type: "conversation.created", name: "Family", description: "At home" },
  { type: "conversation.updated", name: "Friends", description: undefined },
  { type: "conversation.updated", name: undefined, description: "Out" },
];
const forCarol = [{ type: "conversation.created", name: "Friends", description: "Out" }];

it.each([
  ["in memory", {}],
  ["not in memory", { openNow: () => undefined }],
])("frames say what a conversation is called, with its key %s", async (_, opens) => {
  deliver(opens);
  const [bob, carol] = [connect(side.hub, "bob"), connect(side.hub, "carol")];
  const conversationId = await story();
  await arrived(bob, forBob.length);
  await arrived(carol, 1);
  expect([saying(bob), saying(carol)]).toEqual([forBob, forCarol]);
  expect(JSON.stringify([bob.frames, carol.frames])).not.toMatch(/A256GCM|XC20P/);
  const { conversations } = right(await syncOf(side, bob.actor, { cursors: { [conversationId]: -1 }, only: true }));
  const [entry] = conversations;
  const synced = JSON.parse(JSON.stringify(entry?.changes)) as Received["frames"];
  expect(saying({ ...bob, frames: synced })).toEqual(forBob);
});

it("while keys cannot be had nothing is said without them: the frames wait, in their order", async () => {
  let isAway = true;
  let asked = 0;
  deliver({
    openNow: () => undefined,
    open: (context, sealed) => {
      asked += 1;
      return isAway ? Promise.reject(new StoreUnavailable("away")) : side.sealing.open(context, sealed);
    },
  });
  const bob = connect(side.hub, "bob");
  await story();
  await eventually(() => asked > 2, "asked again");
  expect(bob.frames).toEqual([]);
  isAway = false;
  await arrived(bob, forBob.length);
  expect(saying(bob)).toEqual(forBob);
});

it("where the key is gone the fields are absent", async () => {
  const open = () => Promise.resolve(null);
  deliver({ openNow: () => undefined, open });
  const bob = connect(side.hub, "bob");
  await story();
  await arrived(bob, forBob.length);
  for (const said of saying(bob)) expect([said.name, said.description]).toEqual([undefined, undefined]);
});
