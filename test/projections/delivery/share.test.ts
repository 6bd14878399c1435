import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { E } from "../../../src/domain/kernel/fp.js";
import { asPosition, type RecordedEvent } from "../../../src/domain/kernel/stream.js";
import { startDelivery, type DeliveryShare } from "../../../src/projections/delivery/delivery.js";
import type { Bus, Delivery } from "../../../src/projections/ports/bus.js";
import type { EventSource } from "../../../src/projections/ports/event-source.js";
import { createProjector } from "../../../src/projections/projector.js";
import { eventually } from "../../kit/device.js";
import { randomFrom, type Random } from "../../kit/random.js";
import { seed, untilSeen } from "../../kit/seed.js";
import { settled, someTurns } from "../../kit/turns.js";
import {
  by,
  concerning,
  connect,
  nothingBeside,
  sideForAll,
  send,
  startGroup,
  textContent,
  type ReadSide,
  type Received,
} from "./delivery-kit.js";

let side: ReadSide;
sideForAll((opened) => (side = opened));

const userIds = ["alice", "bob", "carol", "dave"] as const;

/** A process's frames on their way: in order for each recipient, and answered when all have theirs. The dead's are lost. */
const slowBus = (random: Random, isDead: () => boolean, onLeaving: (delivery: Delivery) => void): Bus => {
  const lanes = new Map<string, Promise<void>>();
  const one = (delivery: Delivery, userId: string): Promise<void> => {
    const arrived = (lanes.get(userId) ?? Promise.resolve()).then(async () => {
      await someTurns(random, 6);
      if (isDead()) await new Promise<never>(() => undefined);
      side.hub.deliver([{ ...delivery, recipients: [userId] }]);
    });
    lanes.set(userId, arrived);
    return arrived;
  };
  return {
    ...side.bus,
    deliver: async (deliveries) => {
      if (isDead()) return;
      deliveries.forEach(onLeaving);
      await Promise.all(deliveries.flatMap((delivery) => delivery.recipients.map((userId) => one(delivery, userId))));
    },
  };
};

type Starting = {
  readonly random: Random;
  readonly source: EventSource;
  readonly bus: Bus;
  readonly problems: unknown[];
};

const deliveryWith =
  ({ random, source, bus, problems }: Starting) =>
  (share: DeliveryShare) =>
    startDelivery({
      ...{ source, bus, share },
      openNow: (messageId, content) => (random.chance(0.5) ? undefined : side.sealing.openNow(messageId, content)),
      open: async (messageId, content) => {
        await someTurns(random, 4);
        return side.sealing.open(messageId, content);
      },
      ...nothingBeside,
      onUndeliverable: (_event, error) => problems.push(error),
      onFailure: (error) => problems.push(error),
      waitingEventsMax: 1 + random.int(8),
    });

/** `conversation.created` names it inside. */
const idIn = (conversation: unknown): unknown =>
  typeof conversation === "object" && conversation !== null && "conversationId" in conversation
    ? conversation.conversationId
    : undefined;

/** Positions in the conversation that the device got, each where it came first. */
const firstOf = (device: Received, conversationId: string): readonly number[] => [
  ...new Set(
    device.frames
      .filter(({ payload }) => (payload.conversationId ?? idIn(payload.conversation)) === conversationId)
      .flatMap(({ payload }) => (typeof payload.pos === "number" ? [payload.pos] : [])),
  ),
];

/** What random steps of a few users do, and which deletions the log has acknowledged. */
const createScript = (conversationIds: readonly string[], random: Random) => {
  const sent: { readonly conversationId: string; readonly messageId: string }[] = [];
  const deleted = new Set<string>();
  const step = async (): Promise<void> => {
    const conversationId = random.pick(conversationIds);
    const context = by(random.pick(userIds));
    const asOwner = by("alice");
    const die = random.int(10);
    if (die < 5) {
      const command = { conversationId, clientMessageId: randomUUID(), ...textContent("a text") };
      const done = await side.commands.sendMessage(command, context);
      if (E.isRight(done)) sent.push({ conversationId, messageId: done.right.messageId });
    } else if (die < 7) {
      const message = sent[random.int(Math.max(1, sent.length))];
      if (message === undefined) return;
      const done = await side.commands.deleteMessage(message, asOwner);
      if (E.isRight(done)) deleted.add(message.messageId);
    } else if (die === 7) {
      await side.commands.joinMembers({ conversationId, userIds: [random.pick(userIds)] }, asOwner);
    } else if (die === 8) {
      await side.commands.leaveConversation({ conversationId, userId: random.pick(userIds.slice(1)) }, asOwner);
    } else {
      await side.commands.changeSettings({ conversationId, name: `n${random.int(100)}` }, asOwner);
    }
  };
  return { step, deleted };
};

/** What a share said was delivered, with how many frames each device had by then. */
type Said = { readonly share: DeliveryShare; readonly position: number; readonly arrived: readonly number[] };

/** The law of the checkpoint: whatever is of the share and up to there had arrived wherever it had to. */
const expectNothingSkipped = async (said: readonly Said[], ids: readonly string[], devices: readonly Received[]) => {
  for (const [index, device] of devices.entries())
    for (const id of ids) {
      const expected = await concerning(side, id, device.actor.userId);
      for (const { share, position, arrived } of said) {
        const had = new Set(firstOf({ ...device, frames: device.frames.slice(0, arrived[index]) }, id));
        const owed = expected.filter((each) => each.position <= position && share.isMine(each));
        expect(owed.filter(({ revision }) => !had.has(revision))).toEqual([]);
      }
    }
};

/** A projector that only delivers; `isOld`: whatever it meets happened long ago. */
const startProcess = (world: World, isOld: boolean) => {
  const { random, devices, said, problems, positions, partitions } = world;
  let dead = false;
  let deletedBefore: ReadonlySet<string> = new Set();
  const never = new Promise<never>(() => undefined);
  const later = async <A>(answer: () => Promise<A>): Promise<A> => {
    await someTurns(random, 4);
    return dead ? never : answer();
  };
  const onLeaving = ({ frame }: Delivery): void => {
    const { payload } = JSON.parse(frame) as Received["frames"][number];
    if (isOld && payload.content !== undefined && deletedBefore.has(String(payload.messageId))) problems.push(frame);
  };
  const source: EventSource = {
    ...side.log,
    readStream: (...args) => later(() => side.log.readStream(...args)),
    head: () => later(side.log.head),
    // A message and its deletion come in different batches, as they do from a server.
    subscribe: (from, { onEvents, onFailure }) =>
      side.log.subscribe(from, {
        onFailure,
        onEvents: async (events) => {
          for (let taken = 0; taken < events.length;) {
            const size = 1 + random.int(8);
            await onEvents(events.slice(taken, taken + size));
            taken += size;
          }
        },
      }),
  };
  const bus = slowBus(random, () => dead, onLeaving);
  const projector = createProjector({
    ...{ source, partitions, epoch: side.epoch, clock: () => Date.now() + (isOld ? 60_000 : 0) },
    views: { write: () => Promise.resolve() },
    checkpoints: {
      views: { load: () => Promise.resolve([]), raise: () => Promise.resolve() },
      delivery: {
        load: () =>
          later(() =>
            Promise.resolve(positions.map((position) => ({ position: asPosition(position), epoch: side.epoch }))),
          ),
        raise: (held, { position }) =>
          later(() => {
            for (const partition of held) positions[partition] = Math.max(position, positions[partition] ?? 0);
            return Promise.resolve();
          }),
      },
    },
    deliver: (share) => {
      deletedBefore = new Set(world.deleted);
      const onDelivered = (position: number): void => {
        if (dead) return;
        said.push({ share, position: asPosition(position), arrived: devices.map(({ frames }) => frames.length) });
        share.onDelivered(asPosition(position));
      };
      return deliveryWith({ random, source, bus, problems })({ ...share, onDelivered });
    },
    onProblem: (_, problem) => problem !== undefined && problems.push(problem),
    onUnsaved: (error) => problems.push(error),
    onFailure: (failure) => problems.push(failure),
  });
  return { hold: projector.hold, stop: projector.stop, die: () => (dead = true) };
};

type World = {
  readonly random: Random;
  readonly partitions: number;
  /** Delivery's checkpoints. */
  readonly positions: number[];
  readonly devices: readonly Received[];
  readonly deleted: ReadonlySet<string>;
  readonly said: Said[];
  readonly problems: unknown[];
};

it(`hand-overs lose, reorder and uncover nothing, and no checkpoint is ahead of a frame (seed ${seed})`, async () => {
  const seen = { frames: 0, said: 0, deaths: 0, deleted: 0 };
  await untilSeen(seen, 1, (runs) =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 20, max: 60 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(),
        async (steps, partitions, chance) => {
          const random = randomFrom(chance);
          const devices = userIds.map((userId) => connect(side.hub, userId));
          const start = await side.log.head();
          const ids = [await startGroup(side, "alice", ["bob"]), await startGroup(side, "alice", ["carol", "dave"])];
          const { step, deleted } = createScript(ids, random);
          const positions = new Array<number>(partitions).fill(start);
          const world: World = { random, partitions, positions, devices, deleted, said: [], problems: [] };
          const all = positions.map((_, partition) => partition);
          const processes = [startProcess(world, true), startProcess(world, random.chance(0.5))];
          for (let done = 0; done < steps; done += 1) {
            await Promise.all(Array.from({ length: 1 + random.int(4) }, step));
            if (random.chance(0.75)) continue;
            const slot = random.int(2);
            if (random.chance(0.4)) {
              processes[slot]?.die();
              processes[slot] = startProcess(world, random.chance(0.5));
              seen.deaths += 1;
            }
            await processes[slot]?.hold(all.filter(() => random.chance(0.6)));
          }
          await processes[0]?.hold(all.filter((partition) => partition % 2 === 0));
          await processes[1]?.hold(all.filter((partition) => partition % 2 === 1));
          for (const device of devices)
            for (const id of ids) {
              const expected = (await concerning(side, id, device.actor.userId)).map(({ revision }) => revision);
              await eventually(() => firstOf(device, id).length >= expected.length, "all frames", 10_000);
              expect(firstOf(device, id)).toEqual(expected);
              seen.frames += expected.length;
            }
          await expectNothingSkipped(world.said, ids, devices);
          for (const each of processes) await each.stop();
          for (const device of devices) side.hub.unregister(device);
          expect(world.problems).toEqual([]);
          seen.said += world.said.length;
          seen.deleted += deleted.size;
        },
      ),
      runs(12),
    ),
  );
});

describe("a share", () => {
  /** Delivery from the head on of everything, over a bus that answers when the test says so. */
  const setUp = async (waitFor: (delivery: Delivery) => boolean) => {
    const from = await side.log.head();
    const [said, problems]: [number[], unknown[]] = [[], []];
    const answers: (() => void)[] = [];
    const handed: string[] = [];
    const bus: Bus = {
      ...side.bus,
      deliver: (deliveries) => {
        handed.push(...deliveries.map(({ frame }) => frame));
        return deliveries.some(waitFor) ? new Promise<void>((resolve) => answers.push(resolve)) : undefined;
      },
    };
    const starting = { random: randomFrom(1), source: side.log, bus, problems };
    const share: DeliveryShare = {
      ...{ from, isMine: () => true, isLate: () => false },
      onDelivered: (position) => said.push(position),
    };
    return { from, said, problems, answers, handed, delivery: deliveryWith(starting)(share) };
  };

  it("does not say that an event is delivered while its frames are not answered", async () => {
    const { from, said, answers, handed, delivery, problems } = await setUp(({ frame }) => frame.includes("slow"));
    const id = await startGroup(side, "alice", ["bob"]);
    await eventually(() => said.at(-1) === from + 2, "the start of the group");
    await send(side, id, "alice", "slow");
    const other = await startGroup(side, "alice", ["bob"]);
    // What comes after it is delivered and answered: it alone keeps delivery from saying so, and that needs promises only.
    await eventually(() => answers.length > 0 && handed.some((frame) => frame.includes(other)), "what comes after it");
    await settled();
    expect([said.at(-1), delivery.position(), other === id]).toEqual([from + 2, from + 5, false]);
    for (const answer of answers) answer();
    await eventually(() => said.at(-1) === from + 5, "the answers");
    expect(problems).toEqual([]);
    delivery.stop();
  });

  it("says nothing after it was stopped: what it gives up then is left to the next", async () => {
    const { from, said, answers, delivery } = await setUp(({ frame }) => frame.includes("slow"));
    const id = await startGroup(side, "alice", ["bob"]);
    await eventually(() => said.at(-1) === from + 2, "the start of the group");
    await send(side, id, "alice", "slow");
    await eventually(() => answers.length > 0, "what is under way");
    delivery.stop();
    for (const answer of answers) answer();
    // What an answer sets off needs no more than promises.
    await settled();
    expect(said.at(-1)).toBe(from + 2);
  });

  it("delivers nothing after it was stopped, not what it had ready either: the next begins before it", async () => {
    const left: string[] = [];
    const held: RecordedEvent[] = [];
    let openGate: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (openGate = resolve));
    const opened = { times: 0 };
    let handOver: (events: readonly RecordedEvent[]) => void = () => undefined;
    const delivery = startDelivery({
      source: {
        ...side.log,
        subscribe: (_, { onEvents, onFailure }) => {
          handOver = (events) => void onEvents(events);
          return side.log.subscribe("head", { onEvents: (events) => void held.push(...events), onFailure });
        },
      },
      bus: { ...side.bus, deliver: (deliveries) => void left.push(...deliveries.map(({ frame }) => frame)) },
      openNow: (messageId, content) => (opened.times === 0 ? undefined : side.sealing.openNow(messageId, content)),
      open: async (messageId, content) => {
        opened.times += 1;
        await gate;
        return side.sealing.open(messageId, content);
      },
      ...nothingBeside,
      onUndeliverable: (_event, error) => expect.fail(error.message),
      onFailure: (error) => expect.fail(error.message),
      share: { from: await side.log.head(), isMine: () => true, isLate: () => false, onDelivered: () => undefined },
    });
    const id = await startGroup(side, "alice", ["bob"]);
    await send(side, id, "alice", "waits for its key");
    await send(side, id, "alice", "comes after it");
    await eventually(() => held.length === 4, "everything to hand over");
    handOver(held.slice(0, 3));
    await eventually(() => opened.times === 1, "the backlog");
    const before = left.length;
    delivery.stop();
    openGate();
    // The backlog has gone on by then: it needs no more than promises.
    await settled();
    handOver(held.slice(3));
    await settled();
    expect(left.slice(before)).toEqual([]);
  });
});
