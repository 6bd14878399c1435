import type { BenchContext, Row, Scenario, Skipped } from "../scenario.js";
import type { Compared } from "./compared.js";
import { sideBySide, type ComparedRow, type Round } from "./side-by-side.js";

/**
 * This build and the other one in turns, A B A B: what drifts on the machine meanwhile meets both. The floors of a round
 * are measured in its first turn and count for both.
 */
export const takeTurns = async (
  scenario: Scenario,
  context: BenchContext,
  { commit, cli, rounds }: Compared,
): Promise<readonly ComparedRow[] | Skipped> => {
  const taken: Round[] = [];
  for (let count = 1; count <= rounds; count++) {
    const shared = { ...context, floorsOfRound: new Map() };
    const turn = (name: string, cli: string | undefined): Promise<readonly Row[] | Skipped> => {
      context.say(`${scenario.name}: round ${count} of ${rounds}, ${name}`);
      return scenario.run({ ...shared, cli });
    };
    const own = await turn("this build", context.cli);
    if ("skipped" in own) return own;
    const other = await turn(commit, cli);
    if ("skipped" in other) return other;
    taken.push({ own, other });
  }
  return sideBySide(taken);
};
