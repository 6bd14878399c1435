import { entriesOf, entryChunks, type SnapshotFormat } from "../kernel/chunks.snapshot.js";
import type { DeviceId, Sequence, UserId } from "../kernel/ids.js";
import type { Receipts, UserCursors } from "./receipts.js";

type CursorTuple = readonly [UserId, Sequence, Sequence, readonly (readonly [DeviceId, Sequence])[]];

export const receiptsSnapshot: SnapshotFormat<Receipts> = {
  version: 1,
  chunksOf: (state) =>
    entryChunks("cursors", state, ([userId, cursors]): CursorTuple => [
      userId,
      cursors.readUpTo,
      cursors.deliveredUpTo,
      [...cursors.devices],
    ]),
  stateOf: (chunks) =>
    new Map(
      entriesOf(chunks, "cursors").map((entry): [UserId, UserCursors] => {
        const [userId, readUpTo, deliveredUpTo, devices] = entry as CursorTuple;
        return [userId, { readUpTo, deliveredUpTo, devices: new Map(devices) }];
      }),
    ),
};
