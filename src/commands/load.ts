import { noRevision, revisionAfter, type StreamName } from "../domain/kernel/stream.js";
import { streamPages } from "../domain/kernel/stream-pages.js";
import type { EventLog } from "./ports.js";
import type { Loaded, Route } from "./routes.js";
import type { Snapshots } from "./snapshots.js";

/**
 * A cold load: the snapshot, if its last event is the one that this log has there, and what came after it; else
 * everything. A log that was restored from a backup has other events, or none, where a snapshot of the lost ones ends.
 * @throws UnreadableEvent, LogError
 */
export const loadAggregate = async <Command, State, Event, Index>(
  log: Pick<EventLog, "readStream">,
  route: Route<Command, State, Event, Index>,
  stream: StreamName,
  snapshots: Pick<Snapshots<State, Index>, "find">,
): Promise<Loaded<State, Index>> => {
  const snapshot = await snapshots.find(stream);
  if (snapshot === undefined) return catchUp(log, route, stream, unread(route));
  const [last] = await log.readStream(stream, snapshot.revision, 1);
  return catchUp(log, route, stream, last?.id === snapshot.eventId ? snapshot : unread(route));
};

const unread = <Command, State, Event, Index>({
  decider,
}: Route<Command, State, Event, Index>): Loaded<State, Index> => ({
  state: decider.initial(),
  index: decider.index.empty(),
  revision: noRevision,
  eventId: "",
  snapshotAt: noRevision,
});

/** Reads what the stream has beyond `from`, whose index goes on in what it returns. @throws UnreadableEvent, LogError */
export const catchUp = async <Command, State, Event, Index>(
  log: Pick<EventLog, "readStream">,
  { decider, decode }: Route<Command, State, Event, Index>,
  stream: StreamName,
  from: Loaded<State, Index>,
): Promise<Loaded<State, Index>> => {
  const { index } = from;
  let { state, revision, eventId } = from;
  for await (const page of streamPages(log, stream, { from: revisionAfter(revision) })) {
    for (const recorded of page) {
      const event = decode(recorded);
      revision = revisionAfter(revision);
      state = decider.evolve(state, event);
      decider.index.fold(index, event, revision);
    }
    eventId = page.at(-1)?.id ?? eventId;
  }
  return { ...from, state, revision, eventId };
};
