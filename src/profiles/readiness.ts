import { within } from "../lib/time.js";
import { asError } from "../lib/errors.js";
import type { Application, Readiness } from "../gateway/ports.js";
import type { Engines } from "./engines.js";

const askedMsMin = 1_000;

/**
 * The one rule of both profiles (ADR 8): a process that can accept is ready, which needs the log alone. It names whatever
 * else is wrong: without the views nothing is shown, without NATS and Redis frames wait for a sync.
 */
export const acceptingReadiness = (
  log: Readonly<Record<string, string>>,
  others: Readonly<Record<string, string>>,
): Readiness => ({ ready: Object.keys(log).length === 0, problems: { ...log, ...others } });

/** Those of them that there are. */
export const named = (problems: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(problems).filter((entry): entry is [string, string] => entry[1] !== undefined));

type Asked = {
  readonly log: Pick<Engines["log"], "ping">;
  readonly mongo: Pick<Engines["mongo"], "ping">;
  readonly nats: Pick<Engines["nats"], "connected">;
  readonly redis: Pick<Engines["redis"], "available">;
};

export const engineReadiness = ({ log, mongo, nats, redis }: Asked): Application["readiness"] => {
  let asked: { readonly at: number; readonly answer: Promise<Readiness> } | undefined;
  const ask = async (): Promise<Readiness> => {
    const [eventstore, mongodb] = await Promise.all([problemOf(log.ping()), problemOf(mongo.ping())]);
    return acceptingReadiness(eventstore === undefined ? {} : { eventstore }, {
      ...(mongodb === undefined ? {} : { mongodb }),
      ...(nats.connected() ? {} : { nats: "not connected; frames wait for a sync" }),
      ...(redis.available() ? {} : { redis: "not connected; frames go to every gateway" }),
    });
  };
  return () => {
    const now = performance.now();
    if (asked === undefined || now - asked.at > askedMsMin) asked = { at: now, answer: ask() };
    return asked.answer;
  };
};

const problemOf = (answer: Promise<void>): Promise<string | undefined> =>
  within(
    answer.then(
      () => undefined,
      (error: unknown) => asError(error).message,
    ),
    silenceMs,
    () => "does not answer",
  );

/** Within what /readyz itself waits. */
const silenceMs = 1_500;
