import { BadConfig, sodiumOf, type Flags } from "../../settings/config.js";
import { readDistributedConfig, type DistributedConfig } from "../../settings/distributed.js";
import { counted, type Check } from "./check.js";
import { lookAtLog } from "./eventstore.js";
import { lookAtMongo } from "./mongodb.js";
import { lookAtNats } from "./nats.js";
import { closeQuietly } from "./probe.js";
import { lookAtProjections, lookAtProjectors } from "./projectors.js";
import { lookAtRedis } from "./redis.js";
import { lookAtS3 } from "./s3.js";
import { checkStrength } from "./token-secret.js";
import { checkWitnesses } from "./witness.js";
import { withoutSecrets } from "./redact.js";
import { checkAudience, checkNode, checkOldNames, checkSealing, checkSockets, checkTextCipher } from "./doctor.js";
import type { Closers } from "../../profiles/engines.js";
import { openTextCipher } from "../../infra/text-cipher/open.js";

export type DistributedDiagnosis = {
  readonly profile: "distributed";
  /** At least one projector has a lease. */
  readonly running: boolean;
  /** Nothing is wrong; there may be warnings. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Looks at every engine as the same environment would start a process on it: all at once, each for at most five seconds.
 * Changes nothing in them but objects under parley-conformance/ in S3, which it removes. No secret of the environment is
 * in what it says. With a wrong configuration the engines are not looked at.
 */
export const diagnoseDistributed = async (flags: Flags, environment: Environment): Promise<DistributedDiagnosis> => {
  const sealing = checkTextCipher(await openTextCipher(sodiumOf(environment)));
  const machine = [checkNode(process.versions.node), await checkSockets(), sealing];
  const hide = withoutSecrets(environment);
  const answer = (checks: readonly Check[], running: boolean): DistributedDiagnosis => {
    const shown = checks.map(({ mend, ...check }) => ({
      ...check,
      says: hide(check.says),
      ...(mend === undefined ? {} : { mend: hide(mend) }),
    }));
    return { profile: "distributed", running, ok: checks.every(({ state }) => state !== "wrong"), checks: shown };
  };
  try {
    const config = readDistributedConfig(flags, environment);
    const [engines, witnesses] = await Promise.all([lookAtEngines(config), checkWitnesses(config.tree)]);
    return answer([...configurationOf(config), ...machine, ...engines.checks, ...witnesses], engines.running);
  } catch (error) {
    if (!(error instanceof BadConfig)) throw error;
    return answer([...error.problems.map(problemOf), ...machine], false);
  }
};

const problemOf = (says: string): Check => {
  const variable = /^PARLEY_\w+/.exec(says)?.[0] ?? "it";
  return { name: "configuration", state: "wrong", says, mend: `Set ${variable} in the environment of every process` };
};

const configurationOf = (config: DistributedConfig): readonly Check[] => {
  const { host, port, cell, partitions, seal, mongo } = config;
  const says = `valid: listens on ${host}:${port}, cell ${cell}, database ${mongo.database}, ${counted(partitions, "partition")}`;
  return [
    checkSealing(says, seal),
    ...checkOldNames(config),
    checkStrength(config.tokenSecret, "PARLEY_TOKEN_SECRET"),
    ...checkAudience(config),
  ];
};

const lookAtEngines = async (config: DistributedConfig) => {
  const closers: Closers = [];
  try {
    const [log, mongo, nats, redis, s3] = await Promise.all([
      lookAtLog(config, closers),
      lookAtMongo(config, closers),
      lookAtNats(config, closers),
      lookAtRedis(config, closers),
      lookAtS3(config),
    ]);
    const projections = await lookAtProjections(config, log.facts, mongo.facts);
    const projectors = lookAtProjectors(config, redis.facts);
    const found = [log, mongo, nats, redis, s3, projections, projectors];
    const running = (redis.facts?.leases.holders.length ?? 0) > 0;
    return { checks: found.flatMap(({ checks }) => checks), running };
  } finally {
    await closeQuietly(closers);
  }
};
