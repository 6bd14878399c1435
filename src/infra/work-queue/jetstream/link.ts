/** The work queue's view of its connection: whether it is up, and the streams behind it. */
import { Events, type JetStreamManager, type NatsConnection } from "nats";
import { problemOf, unavailable, type WorkQueueOptions } from "../attempts.js";
import { ensureStreams, isStreamAbsent, type Names } from "./streams.js";

export type Link = {
  readonly connection: NatsConnection;
  readonly manager: JetStreamManager;
  readonly names: Names;
  readonly up: () => boolean;
  /** Called whenever `up` has changed, and when the connection is closed for good. */
  readonly onChange: (listener: () => void) => { readonly stop: () => void };
  /** Makes the streams again; a caller that asks meanwhile shares the answer. Rejects with what NATS says. */
  readonly ensure: () => Promise<void>;
  /** Asks JetStream, once more when the streams had to be made. Rejects with StoreUnavailable, at once without a connection. */
  readonly ask: <A>(question: () => Promise<A>) => Promise<A>;
  readonly close: () => void;
};

export const createLink = (
  connection: NatsConnection,
  manager: JetStreamManager,
  names: Names,
  options: Required<WorkQueueOptions>,
): Link => {
  const listeners = new Set<() => void>();
  let [up, closed] = [true, false];
  let ensuring: Promise<void> | undefined;
  const ensure = (): Promise<void> =>
    (ensuring ??= ensureStreams(manager, names, options).finally(() => (ensuring = undefined)));
  const changed = (now: boolean): void => {
    up = now;
    for (const listener of listeners) listener();
  };
  const watch = async (): Promise<void> => {
    for await (const { type } of connection.status()) {
      if (closed) return;
      if (type === Events.Disconnect) changed(false);
      if (type !== Events.Reconnect) continue;
      // The server may have lost its storage: what is missing is made before a caller asks for it.
      await ensure().catch((error: unknown) => {
        options.onProblem(problemOf(`the streams of ${names.stream} cannot be looked at`, error));
      });
      changed(true);
    }
    changed(false);
  };
  void watch();
  const ask = async <A>(question: () => Promise<A>): Promise<A> => {
    // What is sent while there is no connection is lost, and only a time-out would tell.
    if (!up) throw unavailable(`the work queue ${names.stream}`, new Error("NATS is not connected"));
    try {
      return await question().catch(async (error: unknown) => {
        if (!isStreamAbsent(error)) throw error;
        await ensure();
        return question();
      });
    } catch (error) {
      throw unavailable(`the work queue ${names.stream}`, error);
    }
  };
  const onChange = (listener: () => void) => {
    listeners.add(listener);
    return { stop: () => listeners.delete(listener) };
  };
  return { connection, manager, names, up: () => up, onChange, ensure, ask, close: () => (closed = true) };
};
