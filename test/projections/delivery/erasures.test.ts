import { describe, expect, it } from "vitest";
import { startDelivery, type DeliveryShare } from "../../../src/projections/delivery/delivery.js";
import { createErasures, type ErasureDependencies } from "../../../src/projections/delivery/erasures.js";
import { createHeldCheckpoint } from "../../../src/projections/delivery/held-checkpoint.js";
import { asPosition, type Position } from "../../../src/domain/kernel/stream.js";
import { eventually } from "../../kit/device.js";
import {
  by,
  connect,
  nothingBeside,
  right,
  send,
  sideForEach,
  startDirect,
  startGroup,
  type ReadSide,
  type Received,
} from "./delivery-kit.js";

let side: ReadSide;
const stopping = sideForEach((opened) => (side = opened));

type Delivering = Partial<ErasureDependencies> & { readonly share?: DeliveryShare };

/** Delivery that tells of erasures. */
const deliver = ({ share, ...more }: Delivering = {}) => {
  const { log, bus, sealing, queries, views } = side;
  const failures: Error[] = [];
  const onFailure = (error: Error) => void failures.push(error);
  const erasures = createErasures({
    ...{ bus, reads: views.store.reads, awaitCaughtUp: queries.awaitCaughtUp, onFailure, onLost: () => undefined },
    ...more,
  });
  const delivery = startDelivery({
    ...{ source: log, bus, openNow: sealing.openNow, open: sealing.open },
    ...{ ...nothingBeside, erasures, onUndeliverable: (_, error) => void failures.push(error), onFailure },
    ...(share === undefined ? {} : { share }),
  });
  const stop = (): void => {
    delivery.stop();
    erasures.stop();
  };
  stopping(stop);
  return { erasures, failures, stop };
};

const erase = async (userId: string): Promise<void> => {
  right(await side.commands.registerDevice({ deviceType: "web" }, by(userId)));
  const context = {
    commandId: `erase-${userId}`,
    correlationId: "c",
    now: Date.now(),
    by: { kind: "operator" } as const,
  };
  right(await side.commands.eraseUser({ userId, reason: "Art. 17" }, context));
};

const erasedAt = ({ frames }: Received): readonly unknown[] =>
  frames.filter(({ type }) => type === "user.erased").map(({ payload }) => payload.userId);
const told = (device: Received, userId: string) =>
  eventually(() => erasedAt(device).includes(userId), `${device.actor.userId} hears of ${userId}`);

/** A share of everything, and how far it says that it has come. */
const shareFrom = (from: Position) => {
  const reported: Position[] = [];
  const share: DeliveryShare = {
    ...{ from, isMine: () => true, isLate: () => false, onDelivered: (position) => void reported.push(position) },
  };
  return { share, reported };
};

describe("an erasure", () => {
  it("reaches each device of those who may have met the user once, and no stranger's", async () => {
    const { erasures } = deliver();
    const devices = ["bob", "carol", "dave", "erin"].map((userId) => connect(side.hub, userId));
    const [bob, carol, dave, erin] = devices as [Received, Received, Received, Received];
    const tablet = connect(side.hub, "bob", "tablet");
    const alice = connect(side.hub, "alice");
    await startDirect(side, "alice", "bob");
    const friends = await startGroup(side, "alice", ["bob", "carol"]);
    // Carol has left; dave comes when alice is gone, and sees nothing of her time; erin is in no conversation of hers.
    right(await side.commands.leaveConversation({ conversationId: friends, userId: "carol" }, by("alice")));
    const book = await startGroup(side, "bob", ["alice"]);
    right(await side.commands.leaveConversation({ conversationId: book, userId: "alice" }, by("bob")));
    right(await side.commands.joinMembers({ conversationId: book, userIds: ["dave"] }, by("bob")));
    await startDirect(side, "dave", "erin");
    await erase("alice");
    for (const device of [alice, bob, tablet, carol]) await told(device, "alice");
    await erasures.settled();
    for (const device of [alice, bob, tablet, carol]) expect(erasedAt(device)).toEqual(["alice"]);
    for (const stranger of [dave, erin]) expect(erasedAt(stranger)).toEqual([]);
    expect(alice.closed).toEqual([4401]);
  });

  it("is told from where the checkpoint stayed when the process that told of it dies, and holds up nothing meanwhile", async () => {
    const bob = connect(side.hub, "bob");
    await startGroup(side, "alice", ["bob"]);
    const start = await side.log.head();
    const first = shareFrom(start);
    // Views that never come: this one dies before anybody is told.
    const dies = deliver({ share: first.share, awaitCaughtUp: () => new Promise(() => undefined) });
    await erase("alice");
    const after = await startGroup(side, "carol", ["bob"]);
    const { pos } = await send(side, after, "carol", "delivered all the same");
    await eventually(() => bob.frames.some(({ payload }) => payload.pos === pos), "what comes later");
    const erasure = (await side.log.readAll(start, 100)).find(({ type }) => type === "UserErased");
    expect(Math.max(...first.reported, 0)).toBeLessThan(erasure?.position ?? 0);
    dies.stop();
    expect(erasedAt(bob)).toEqual([]);
    const second = shareFrom(first.reported.at(-1) ?? start);
    deliver({ share: second.share });
    await told(bob, "alice");
    const head = await side.log.head();
    await eventually(() => second.reported.at(-1) === head, "its checkpoint goes on");
  });

  it("is tried again when the views cannot be read, and then told once", async () => {
    let failing = 3;
    const { reads } = side.views.store;
    const { failures } = deliver({
      reads: {
        ...reads,
        members: (...asked) => {
          failing -= 1;
          return failing >= 0 ? Promise.reject(new Error("no views now")) : reads.members(...asked);
        },
      },
    });
    const bob = connect(side.hub, "bob");
    await startGroup(side, "alice", ["bob"]);
    await erase("alice");
    await told(bob, "alice");
    expect(erasedAt(bob)).toEqual(["alice"]);
    // One reason is said once.
    expect(failures.map(({ message }) => message)).toEqual(["no views now"]);
  });
});

describe("a checkpoint that is held", () => {
  const setUp = () => {
    const reported: number[] = [];
    const checkpoint = createHeldCheckpoint((position) => void reported.push(position), 100);
    return {
      reported,
      ...checkpoint,
      done: (position: number) => {
        checkpoint.done(asPosition(position));
      },
    };
  };

  it("stays before the first that is held, whatever is released after it, and then comes to where all is done", () => {
    const { reported, done, hold } = setUp();
    done(3);
    const [five, seven] = [hold(asPosition(5)), hold(asPosition(7))];
    done(4);
    done(8);
    seven();
    done(9);
    expect(reported).toEqual([3, 4]);
    five();
    five();
    expect(reported).toEqual([3, 4, 9]);
  });

  it("goes on when more would come again after a crash than a start can take", () => {
    const { reported, done, hold, looked } = setUp();
    hold(asPosition(5));
    looked(100);
    done(100);
    expect(reported).toEqual([]);
    looked(1);
    done(101);
    expect(reported).toEqual([101]);
  });
});
