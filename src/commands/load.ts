import { noRevision, type StreamName } from "../domain/kernel/stream.js";
import type { EventLog } from "./ports.js";
import type { Loaded, Route } from "./routes.js";
import type { Snapshots } from "./snapshots.js";

const pageSize = 500;

/**
 * A cold load: the snapshot, if its last event is the one that this log has there, and what came after it; else
 * everything. A log that was restored from a backup has other events, or none, where a snapshot of the lost ones ends.
 * @throws UnreadableEvent, LogError
 */
export const loadAggregate = async <Command, State, Event>(
  log: Pick<EventLog, "readStream">,
  route: Route<Command, State, Event>,
  stream: StreamName,
  snapshots: Pick<Snapshots<State>, "find">,
): Promise<Loaded<State>> => {
  const snapshot = await snapshots.find(stream);
  if (snapshot === undefined) return catchUp(log, route, stream, unread(route));
  const [last] = await log.readStream(stream, snapshot.revision, 1);
  return catchUp(log, route, stream, last?.id === snapshot.eventId ? snapshot : unread(route));
};

const unread = <Command, State, Event>(route: Route<Command, State, Event>): Loaded<State> => ({
  state: route.decider.initial(),
  revision: noRevision,
  eventId: "",
  snapshotAt: noRevision,
});

/** Reads what the stream has beyond `from`. @throws UnreadableEvent, LogError */
export const catchUp = async <Command, State, Event>(
  log: Pick<EventLog, "readStream">,
  route: Route<Command, State, Event>,
  stream: StreamName,
  from: Loaded<State>,
): Promise<Loaded<State>> => {
  let { state, revision, eventId } = from;
  for (;;) {
    const page = await log.readStream(stream, revision + 1, pageSize);
    for (const recorded of page) state = route.decider.evolve(state, route.decode(recorded));
    revision += page.length;
    eventId = page.at(-1)?.id ?? eventId;
    if (page.length < pageSize) return { ...from, state, revision, eventId };
  }
};
