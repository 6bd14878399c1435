import { streamId, type RecordedEvent } from "../../domain/kernel/stream.js";

/** Conversations of which something has to be read first: each waits on a lane of its own and holds up nobody else. */
export type Lanes = {
  readonly isOpen: (recorded: RecordedEvent) => boolean;
  /** At the end of its conversation's lane. */
  readonly wait: (recorded: RecordedEvent) => void;
  /** Undefined while there is room; else resolves when there is again. */
  readonly room: () => Promise<void> | undefined;
};

/** Events that wait, over all conversations; beyond it the log is not read on. */
const waitingMax = 10_000;

/** `startLane` makes what works on one lane's events, one after another; it never rejects. */
export const createLanes = (
  startLane: (conversationId: string) => (recorded: RecordedEvent) => Promise<void>,
  waitingEventsMax = waitingMax,
): Lanes => {
  const lanes = new Map<string, RecordedEvent[]>();
  let waiting = 0;
  let resume: (() => void) | undefined;

  const run = async (id: string, lane: RecordedEvent[]): Promise<void> => {
    const work = startLane(id);
    for (let recorded = lane[0]; recorded !== undefined; recorded = lane[0]) {
      await work(recorded);
      lane.shift();
      waiting -= 1;
      if (waiting < waitingEventsMax) resume?.();
    }
    lanes.delete(id);
  };

  return {
    isOpen: ({ stream }) => lanes.has(streamId(stream)),
    wait: (recorded) => {
      waiting += 1;
      const id = streamId(recorded.stream);
      const open = lanes.get(id);
      if (open !== undefined) {
        open.push(recorded);
        return;
      }
      const lane = [recorded];
      lanes.set(id, lane);
      // After this turn's deliveries: a lane must not overtake them.
      queueMicrotask(() => void run(id, lane));
    },
    room: () => (waiting < waitingEventsMax ? undefined : new Promise((resolve) => (resume = resolve))),
  };
};
