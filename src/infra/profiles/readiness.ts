import { inTime } from "../in-time.js";
import { asError } from "../../domain/kernel/errors.js";
import type { Application, Readiness } from "../../gateway/ports.js";
import type { Engines } from "./engines.js";

const askedMsMin = 1_000;

/**
 * Ready is who can accept, which needs the log alone. The others are named when they are away: without MongoDB nothing
 * is shown, without NATS and Redis frames wait for a sync.
 */
export const engineReadiness = ({
  log,
  mongo,
  nats,
  redis,
}: Pick<Engines, "log" | "mongo" | "nats" | "redis">): Application["readiness"] => {
  let asked: { readonly at: number; readonly answer: Promise<Readiness> } | undefined;
  const ask = async (): Promise<Readiness> => {
    const [eventstore, mongodb] = await Promise.all([problemOf(log.ping()), problemOf(mongo.ping())]);
    const problems = {
      ...(eventstore === undefined ? {} : { eventstore }),
      ...(mongodb === undefined ? {} : { mongodb }),
      ...(nats.connected() ? {} : { nats: "not connected; frames wait for a sync" }),
      ...(redis.available() ? {} : { redis: "not connected; frames go to every gateway" }),
    };
    return { ready: eventstore === undefined, problems };
  };
  return () => {
    const now = performance.now();
    if (asked === undefined || now - asked.at > askedMsMin) asked = { at: now, answer: ask() };
    return asked.answer;
  };
};

const problemOf = (answer: Promise<void>): Promise<string | undefined> =>
  inTime(
    answer.then(
      () => undefined,
      (error: unknown) => asError(error).message,
    ),
    silenceMs,
    () => "does not answer",
  );

/** Within what /readyz itself waits. */
const silenceMs = 1_500;
