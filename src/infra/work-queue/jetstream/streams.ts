/** The two streams and the consumer of a JetStream work queue: made when they are missing, updated when they differ. */
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  nanos,
  NatsError,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type JetStreamManager,
  type StreamConfig,
} from "nats";
import type { WorkQueueOptions } from "../attempts.js";
import { tokenOf } from "./wire.js";

export type Names = {
  readonly stream: string;
  readonly consumer: string;
  readonly jobs: string;
  readonly deadStream: string;
  /** One subject a job's id: the dead letter of an id is found by its subject, and there is one of each. */
  readonly dead: (id: string) => string;
  readonly deadAll: string;
};

/** @throws RangeError for a name that JetStream would not take. */
export const namesOf = (name: string): Names => {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name))
    throw new RangeError(`a work queue's name is 1 to 64 letters, digits, _ and -: ${name}`);
  const deadStream = `${name}_DEAD`;
  return {
    stream: name,
    consumer: "workers",
    jobs: `${name}.jobs`,
    deadStream,
    dead: (id) => `${deadStream}.${tokenOf(id)}`,
    deadAll: `${deadStream}.*`,
  };
};

/** Pulls that may wait at one consumer: one for each free handler of all processes. It cannot be changed later. */
const waitingPullsMax = 8_192;

/** Makes or updates all three. @throws NatsError */
export const ensureStreams = async (
  manager: JetStreamManager,
  names: Names,
  options: Required<WorkQueueOptions>,
): Promise<void> => {
  const shared = {
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_msgs: options.jobsMax,
    max_bytes: options.bytesMax,
    duplicate_window: nanos(options.deduplicateMs),
  };
  const jobs = { ...shared, subjects: [names.jobs], retention: RetentionPolicy.Workqueue };
  const dead = {
    ...shared,
    subjects: [names.deadAll],
    retention: RetentionPolicy.Limits,
    max_msgs_per_subject: 1,
  };
  await ensureStream(manager, names.stream, jobs);
  await ensureStream(manager, names.deadStream, dead);
  await ensureConsumer(manager, names, options.visibilityMs);
};

const ensureStream = (manager: JetStreamManager, name: string, wanted: Partial<StreamConfig>): Promise<void> =>
  ensure(wanted, {
    find: async () => (await manager.streams.info(name)).config,
    add: () => manager.streams.add({ ...wanted, name }),
    update: () => manager.streams.update(name, wanted),
  });

const ensureConsumer = (
  manager: JetStreamManager,
  { stream, consumer }: Names,
  visibilityMs: number,
): Promise<void> => {
  // Without a limit of deliveries and without the server's backoff, which would replace ack_wait: both are the worker's
  // own. Jobs that wait for a retry are pending acknowledgements, so a limit of these would let them block all others.
  const wanted = { ack_wait: nanos(visibilityMs), max_deliver: -1, max_ack_pending: -1 };
  const fixed: Partial<ConsumerConfig> = {
    durable_name: consumer,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    max_waiting: waitingPullsMax,
  };
  return ensure(wanted, {
    find: async () => (await manager.consumers.info(stream, consumer)).config,
    add: () => manager.consumers.add(stream, { ...fixed, ...wanted }),
    update: () => manager.consumers.update(stream, consumer, wanted),
  });
};

type Steps<C> = {
  readonly find: () => Promise<C>;
  readonly add: () => Promise<unknown>;
  readonly update: () => Promise<unknown>;
};

const ensure = async <C extends object>(wanted: Partial<C>, { find, add, update }: Steps<C>): Promise<void> => {
  const found = await find().catch(async (error: unknown) => {
    if (!isAbsent(error)) throw error;
    // Another process that makes it at the same time makes the same: then this one has nothing to add.
    return add().then(
      () => undefined,
      (refused: unknown) => find().catch(() => Promise.reject(refused as Error)),
    );
  });
  if (found !== undefined && !agrees(found, wanted)) await update();
};

const agrees = <C extends object>(found: C, wanted: Partial<C>): boolean =>
  JSON.stringify({ ...found, ...wanted }) === JSON.stringify({ ...found });

/** The stream, the consumer or the message is not there. */
const isAbsent = (error: unknown): error is NatsError =>
  error instanceof NatsError && (error.code === "404" || error.api_error?.code === 404);

const streamNotFound = 10_059;

/** Nothing listens where the stream should, or the server says that it has none. */
export const isStreamAbsent = (error: unknown): boolean =>
  error instanceof NatsError && (error.code === "503" || error.api_error?.err_code === streamNotFound);

/** JetStream has understood and does not want to: asking again would not help. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof NatsError && error.api_error !== undefined && error.api_error.code !== 503;

export const isMessageAbsent = (error: unknown): boolean => isAbsent(error) && !isStreamAbsent(error);
