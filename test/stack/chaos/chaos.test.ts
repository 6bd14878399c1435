/**
 * Two gateways, two projectors and their engines, each killed and paused at seeded moments, now and then two at once,
 * under the load and the final check of faults-kit. PARLEY_CHAOS_ROUNDS sets how often (npm run test:chaos: 60).
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkMessages } from "../../crash/checks.js";
import { conversationsIn, readLog } from "../../kit/history.js";
import { engine } from "../../kit/engines.js";
import { mayStartServers } from "../../kit/own-servers.js";
import { randomFrom } from "../../kit/random.js";
import { seed } from "../../kit/seed.js";
import { startProbes, type Longest, type Probes } from "./probes.js";
import { gatewaysOf, inflict, kindOf, scheduleOf, told, type Round } from "./schedule.js";
import { openStage, underLoad, type Stage } from "../faults/faults-kit.js";

const rounds = Number(process.env.PARLEY_CHAOS_ROUNDS ?? 6);
/** Far more than a round takes; a bound for what fails. */
const timeout = 120_000 + rounds * 90_000;

type Noticed = { readonly kind: string; readonly lastedMs: number; readonly own?: Longest; readonly others: Longest };

describe.skipIf(engine("PARLEY_EVENTSTORE_URL") === undefined || !mayStartServers)(`chaos (seed ${seed})`, () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await openStage();
  });
  afterAll(async () => {
    await stage.close();
  });

  it("loses and doubles nothing, refuses nothing for what others do, and all converges", { timeout }, async () => {
    const noticed: Noticed[] = [];
    const probes = await startProbes(stage.cluster, "probe");
    // The schedule draws from a generator of its own: the load draws as often as answers come.
    const schedule = scheduleOf(randomFrom(seed), rounds);
    const work = await underLoad(stage, { name: "chaos", random: randomFrom(seed + 1) }, async () => {
      for (const [i, round] of schedule.entries()) {
        process.stdout.write(`chaos ${i + 1}/${rounds} (PARLEY_SEED=${seed}): ${told(round)}\n`);
        noticed.push(await suffer(stage, probes, round));
      }
    });
    const probed = await probes.finish();
    const all = conversationsIn(await readLog(stage.cluster.source));
    checkMessages(new Map([...all].filter(([id]) => probes.conversationIds.includes(id))), probed);
    expect(noticed).toHaveLength(rounds);
    const acknowledged = work.acknowledged.length + probed.acknowledged.length;
    process.stdout.write(`chaos: ${JSON.stringify({ seed, rounds, acknowledged, faults: tableOf(noticed) })}\n`);
  });
});

const suffer = async (stage: Stage, probes: Probes, round: Round): Promise<Noticed> => {
  const startedAt = performance.now();
  await Promise.all(round.map((fault) => inflict(stage, fault)));
  const overAt = performance.now();
  await probes.allAfter(overAt);
  const own = gatewaysOf(round);
  const others = stage.cluster.gateways.map((_, i) => i).filter((i) => !own.includes(i));
  return {
    kind: kindOf(round),
    lastedMs: overAt - startedAt,
    ...(own.length === 0 ? {} : { own: probes.longestSince(startedAt, own) }),
    others: probes.longestSince(startedAt, others),
  };
};

/** Seconds, by kind of fault: the longest of all rounds. `own` is of those whose own gateway it was. */
const tableOf = (noticed: readonly Noticed[]) => {
  const kinds = [...new Set(noticed.map(({ kind }) => kind))].sort();
  return kinds.map((kind) => {
    const rows = noticed.filter((one) => one.kind === kind);
    const own = rows.flatMap((row) => row.own ?? []);
    return {
      ...{ kind, rounds: rows.length, lasted: rows.map(({ lastedMs }) => seconds(lastedMs)) },
      others: longestOf(rows.map(({ others }) => others)),
      ...(own.length === 0 ? {} : { own: longestOf(own) }),
    };
  });
};
const longestOf = (all: readonly Longest[]) => ({
  send: seconds(Math.max(...all.map(({ send }) => send))),
  frame: seconds(Math.max(...all.map(({ frame }) => frame))),
  sync: seconds(Math.max(...all.map(({ sync }) => sync))),
});
const seconds = (ms: number): number => Math.round(ms / 100) / 10;
