import { describe, expect, it } from "vitest";
import { E, type Either } from "../../../src/domain/kernel/fp.js";
import { reject, type Rejection } from "../../../src/domain/rejections.js";
import { readsAtOnceMax, waitingMax, type LostReason } from "../../../src/projections/delivery/followups.js";
import { createInboxUpdates } from "../../../src/projections/delivery/inbox-updates.js";
import { createReceiptRollups } from "../../../src/projections/delivery/receipt-rollups.js";
import type { Delivery } from "../../../src/projections/ports/bus.js";
import type { ReceiptCounts, SummaryRow } from "../../../src/projections/ports/rows.js";
import { eventually } from "../../kit/device.js";
import { asPosition } from "../../../src/domain/kernel/stream.js";

/** Views that the test lets come to a position, and reads that go on when it says so. */
const createStanding = () => {
  const waits: { readonly position: number; readonly end: (answer: Either<Rejection, undefined>) => void }[] = [];
  const reads: { readonly of: string; readonly end: (fails?: Error) => void }[] = [];
  const delivered: Delivery[] = [];
  const lost: (readonly [number, LostReason])[] = [];
  const failures: Error[] = [];
  const reading = <A>(of: string, answer: A): Promise<A> =>
    new Promise((resolve, refuse) => {
      const end = (fails?: Error) => {
        if (fails === undefined) resolve(answer);
        else refuse(fails);
      };
      reads.push({ of, end });
    });
  const deps = {
    bus: {
      deliver: (all: readonly Delivery[]) => void delivered.push(...all),
      connected: () => true,
      disconnect: () => undefined,
    },
    awaitCaughtUp: (position: number) =>
      new Promise<Either<Rejection, undefined>>((end) => waits.push({ position: asPosition(position), end })),
    onFailure: (error: Error) => void failures.push(error),
    onLost: (count: number, reason: LostReason) => void lost.push([count, reason]),
  };
  return { waits, reads, delivered, lost, failures, reading, deps };
};

const behind = E.left(reject("UNAVAILABLE", "The views are behind."));
const caughtUp = E.right(undefined);
const rowOf = (conversationId: string) =>
  ({
    conversation: { conversationId, headPos: 9 },
    member: { present: true, readUpTo: 3 },
    ...{ lastVisible: 5, visibleFrom: 1, ownAfter: 0, deletedAfter: 0 },
  }) as SummaryRow;

describe("inbox updates", () => {
  const setUp = () => {
    const standing = createStanding();
    const { reading, deps } = standing;
    const summaries = (userId: string, ids: readonly string[]) => reading(`${userId}: ${ids.join()}`, ids.map(rowOf));
    const updates = createInboxUpdates({ ...deps, reads: { summaries } });
    const moved = (userId: string, conversationId: string, position: number) => {
      updates.readMoved({ userId, conversationId, deviceId: "phone", position: asPosition(position) });
    };
    return { ...standing, moved };
  };

  it("wait for the views once for all that wait, and read each user's conversations together, a few users at a time", async () => {
    const { moved, waits, reads, delivered } = setUp();
    moved("first", "g_1", 1);
    for (let user = 0; user < 40; user++)
      for (const [index, conversation] of ["g_1", "g_2"].entries())
        moved(`user${user}`, conversation, 10 + user * 2 + index);
    expect(waits.map(({ position }) => position)).toEqual([1]);
    waits.shift()?.end(caughtUp);
    await eventually(() => reads.length === 1, "the first user's read");
    reads.shift()?.end();
    await eventually(() => waits.length === 1, "the others' wait");
    expect(waits[0]?.position).toBe(10 + 39 * 2 + 1);
    waits.shift()?.end(caughtUp);
    await eventually(() => reads.length === readsAtOnceMax, "as many reads as may be at once");
    const asked: string[] = [];
    while (delivered.length < 1 + 80) {
      expect(reads.length).toBeLessThanOrEqual(readsAtOnceMax);
      for (const { of, end } of reads.splice(0)) {
        asked.push(of);
        end();
      }
      await eventually(() => reads.length > 0 || delivered.length === 81, "further reads");
    }
    expect(asked).toEqual(Array.from({ length: 40 }, (_, user) => `user${user}: g_1,g_2`));
    expect(waits).toEqual([]);
    expect(delivered[1]).toEqual({
      recipients: ["user0"],
      frame: JSON.stringify({
        type: "inbox.update",
        payload: { conversationId: "g_1", readUpTo: 3, unread: 2, pos: 9 },
      }),
      exceptDeviceId: "phone",
    });
  });

  it("that are given up are counted with why, and take no other with them", async () => {
    const { moved, waits, reads, delivered, lost, failures } = setUp();
    moved("first", "g_1", 1);
    for (let user = 0; user < waitingMax + 3; user++) moved(`user${user}`, "g_1", 2);
    expect(lost).toEqual([
      [1, "crowded"],
      [1, "crowded"],
      [1, "crowded"],
    ]);
    waits.shift()?.end(behind);
    await eventually(() => waits.length === 1, "the next wait");
    waits.shift()?.end(behind);
    moved("alice", "g_1", 3);
    moved("bob", "g_1", 3);
    await eventually(() => waits.length === 1, "the wait after it");
    expect(lost.slice(3)).toEqual([
      [1, "views behind"],
      [waitingMax, "views behind"],
    ]);
    waits.shift()?.end(caughtUp);
    await eventually(() => reads.length === 2, "both reads");
    reads[0]?.end(new Error("no store"));
    reads[1]?.end();
    await eventually(() => delivered.length === 1, "bob's update");
    expect(delivered[0]?.recipients).toEqual(["bob"]);
    expect([lost.at(-1), failures.map(({ message }) => message)]).toEqual([[1, "failed"], ["no store"]]);
  });
});

describe("receipt roll-ups", () => {
  const setUp = () => {
    const standing = createStanding();
    const { reading, deps } = standing;
    const receiptCounts = (id: string, sequences: readonly number[]) =>
      reading(
        id,
        sequences.map((sequence): ReceiptCounts => {
          const counts = { of: 2, delivered: 1, read: 1 };
          return { sequence, messageId: `m${sequence}`, senderId: `sender${sequence % 2}`, ...counts };
        }),
      );
    const rollups = createReceiptRollups({ ...deps, reads: { receiptCounts } });
    const privacy: string[] = [];
    const advanced = (conversationId: string, position: number) => {
      rollups.advanced({
        ...{ conversationId, upTo: 4, lastSequence: 4, position: asPosition(position), at: 1, isMember: () => true },
        seesReads: (userId) => {
          privacy.push(userId);
          return Promise.resolve(true);
        },
      });
    };
    return { ...standing, rollups, advanced, privacy };
  };

  it("wait for the views once an interval, read a few conversations at a time, and ask once of each sender", async () => {
    const { advanced, waits, reads, delivered, privacy } = setUp();
    for (let group = 0; group < 20; group++) advanced(`g_${group}`, group);
    await eventually(() => waits.length === 1, "the interval's wait");
    expect(waits[0]?.position).toBe(19);
    waits.shift()?.end(caughtUp);
    await eventually(() => reads.length === readsAtOnceMax, "as many reads as may be at once");
    let read = 0;
    while (delivered.length < 80) {
      expect(reads.length).toBeLessThanOrEqual(readsAtOnceMax);
      for (const { end } of reads.splice(0)) {
        read += 1;
        end();
      }
      await eventually(() => reads.length > 0 || delivered.length === 80, "further reads");
    }
    expect([read, waits, privacy.length]).toEqual([20, [], 40]);
  });

  it("that are given up are counted with why", async () => {
    const { advanced, rollups, waits, lost } = setUp();
    for (let group = 0; group < waitingMax + 2; group++) advanced(`g_${group}`, 7);
    await eventually(() => waits.length === 1, "the interval's wait");
    waits.shift()?.end(behind);
    await eventually(() => lost.length === 3, "the loss");
    expect(lost).toEqual([
      [1, "crowded"],
      [1, "crowded"],
      [waitingMax, "views behind"],
    ]);
    rollups.stop();
  });
});
