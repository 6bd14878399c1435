import type { ConversationId } from "../../domain/kernel/ids.js";
import { streamId, type RecordedEvent } from "../../domain/kernel/stream.js";

/** Conversations of which something has to be read first: each waits in a line of its own and holds up no other. */
export type Backlog = {
  readonly isOpen: (recorded: RecordedEvent) => boolean;
  /** At the end of its conversation's line. */
  readonly wait: (recorded: RecordedEvent) => void;
  /** Undefined while there is room; else resolves when there is again. */
  readonly room: () => Promise<void> | undefined;
};

/** Events that wait, over all conversations; beyond it the log is not read on. */
const waitingMax = 10_000;

/** `startLine` makes what works on one line's events, one after another; it never rejects. */
export const createBacklog = (
  startLine: (conversationId: ConversationId) => (recorded: RecordedEvent) => Promise<void>,
  waitingEventsMax = waitingMax,
): Backlog => {
  const lines = new Map<ConversationId, RecordedEvent[]>();
  let waiting = 0;
  let resume: (() => void) | undefined;

  const run = async (id: ConversationId, line: RecordedEvent[]): Promise<void> => {
    const work = startLine(id);
    for (let recorded = line[0]; recorded !== undefined; recorded = line[0]) {
      await work(recorded);
      line.shift();
      waiting -= 1;
      if (waiting < waitingEventsMax) resume?.();
    }
    lines.delete(id);
  };

  return {
    isOpen: ({ stream }) => lines.size > 0 && lines.has(streamId(stream)),
    wait: (recorded) => {
      waiting += 1;
      const id = streamId(recorded.stream);
      const open = lines.get(id);
      if (open !== undefined) {
        open.push(recorded);
        return;
      }
      const line = [recorded];
      lines.set(id, line);
      // After this turn's deliveries: a line must not overtake them.
      queueMicrotask(() => void run(id, line));
    },
    room: () => (waiting < waitingEventsMax ? undefined : new Promise((resolve) => (resume = resolve))),
  };
};
