import fc from "fast-check";
import { expect, it } from "vitest";
import { E } from "../../../src/domain/kernel/fp.js";
import { startDelivery } from "../../../src/projections/delivery/delivery.js";
import { eventually } from "../../kit/device.js";
import { randomFrom } from "../../kit/random.js";
import { seed, untilSeen } from "../../kit/seed.js";
import { someTurns } from "../../kit/turns.js";
import {
  by,
  concerning,
  connect,
  nothingBeside,
  sideForAll,
  right,
  startGroup,
  syncOf,
  textContent,
  type ReadSide,
  type Received,
} from "./delivery-kit.js";

let side: ReadSide;
sideForAll((opened) => (side = opened));

const userIds = ["alice", "bob", "carol", "dave"] as const;
const user = fc.constantFrom(...userIds);
const step = fc.record({
  what: fc.constantFrom("send", "send", "send", "edit", "delete", "react", "unreact", "join", "leave", "rename"),
  user,
  other: user,
  message: fc.nat({ max: 5 }),
  together: fc.boolean(),
});
type Step = typeof step extends fc.Arbitrary<infer A> ? A : never;

const perform = async (conversationId: string, sent: string[], each: Step, index: number): Promise<void> => {
  const { commands } = side;
  const context = by(each.user);
  const messageId = sent[each.message % Math.max(1, sent.length)] ?? "none";
  const name = { conversationId, messageId };
  switch (each.what) {
    case "send": {
      const command = { conversationId, clientMessageId: `m${index}`, ...textContent(`text ${index}`) };
      const done = await commands.sendMessage(command, context);
      if (E.isRight(done)) sent.push(done.right.messageId);
      return;
    }
    case "edit":
      await commands.editMessage({ ...name, ...textContent(`edit ${index}`) }, context);
      return;
    case "delete":
      await commands.deleteMessage(name, context);
      return;
    case "react":
      await commands.addReaction({ ...name, emoji: "x" }, context);
      return;
    case "unreact":
      await commands.removeReaction({ ...name, emoji: "x" }, context);
      return;
    case "join":
      await commands.joinMembers({ conversationId, userIds: [each.other] }, context);
      return;
    case "leave":
      await commands.leaveConversation({ conversationId, userId: each.other }, context);
      return;
    case "rename":
      await commands.changeSettings({ conversationId, name: `n${index}` }, context);
  }
};

/** Sync says the same of the same change, unless the message has been deleted since: then without its content. */
const expectAsInSync = async (conversationId: string, device: Received): Promise<void> => {
  const request = { cursors: { [conversationId]: -1 }, only: true, limit: 1_000 };
  const [entry] = right(await syncOf(side, device.actor, request)).conversations;
  const synced = new Map(entry?.changes.map((frame) => [frame.payload.pos, frame]));
  // Of what happened while away sync may say more, and live delivery said nothing.
  for (const frame of device.frames) {
    const again = synced.get(frame.payload.pos);
    if (again?.payload.deletedAt === undefined) expect(again).toEqual(frame);
    else expect(again.payload).not.toHaveProperty("content");
  }
};

it(`each member device gets its frames in pos order without a gap, however slow loads are (seed ${seed})`, async () => {
  const seen = { compared: 0 };
  await untilSeen(seen, 200, (runs) =>
    fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 40, size: "max" }),
        fc.nat(),
        async (steps, chance) => {
          const random = randomFrom(chance);
          const slowly = async <A>(answer: () => Promise<A>): Promise<A> => {
            await someTurns(random, 4);
            return answer();
          };
          const devices = userIds.flatMap((userId) => [connect(side.hub, userId), connect(side.hub, userId, "laptop")]);
          const problems: unknown[] = [];
          const delivery = startDelivery({
            source: {
              ...side.log,
              readStream: (...args) => slowly(() => side.log.readStream(...args)),
            },
            bus: side.bus,
            openNow: (messageId, content) =>
              random.chance(0.5) ? undefined : side.sealing.openNow(messageId, content),
            open: (messageId, content) => slowly(() => side.sealing.open(messageId, content)),
            ...nothingBeside,
            onUndeliverable: (_event, error) => void problems.push(error),
            onFailure: (error) => void problems.push(error),
            waitingEventsMax: 1 + random.int(5),
          });
          const conversationId = await startGroup(side, "alice", ["bob"], random.chance(0.5));
          const sent: string[] = [];
          let pending: Promise<void>[] = [];
          for (const [index, each] of steps.entries()) {
            pending.push(perform(conversationId, sent, each, index));
            if (!each.together) pending = (await Promise.all(pending), []);
          }
          await Promise.all(pending);
          for (const device of devices) {
            const concerned = await concerning(side, conversationId, device.actor.userId);
            const expected = concerned.map(({ revision }) => revision);
            const received = () => device.frames.map(({ payload }) => payload.pos);
            await eventually(() => received().length >= expected.length, "all frames", 5_000);
            expect(received()).toEqual(expected);
            seen.compared += expected.length;
            await expectAsInSync(conversationId, device);
          }
          delivery.stop();
          for (const device of devices) side.hub.unregister(device);
          expect(problems).toEqual([]);
        },
      ),
      runs(25),
    ),
  );
});
