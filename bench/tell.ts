/** What a person who watches sees of the rows; all figures are in the JSON. */
import { tableOf, type ComparedRow } from "./compare/side-by-side.js";
import type { BenchContext, Figures, Goal, Row } from "./scenario.js";

type Say = BenchContext["say"];

/** What one looks at first. */
const told = /PerSecond$|P(50|99)Ms$|Per1000$|Per(Message|Delivery)$|loadMs$|KiB$|MB$|Lag.*AtEnd$|catchUpMs$/;

export const tell = ({ variant, engines, figures, floors, goals = [] }: Row, say: Say): void => {
  say(`  ${variant}: ${pick(figures, told)}`);
  for (const [name, { ratio }] of Object.entries(floors)) {
    const ratios = pick(ratio, /PerSecond$|^cpu.*Per/);
    if (ratios !== "") say(`    ÷ ${name}: ${ratios}`);
  }
  if (engines !== undefined) say(`    on ${engines}`);
  for (const goal of goals) say(`    ${verdictOf(goal)}`);
};

/** `headings`: of this build's column and of the other's. */
export const tellCompared = (compared: ComparedRow, headings: readonly [string, string], say: Say): void => {
  for (const line of tableOf(compared, told, headings)) say(line);
  for (const goal of compared.goals ?? []) say(`    ${verdictOf(goal)}`);
};

const verdictOf = ({ met, value, says, atLeast, atMost, aim }: Goal): string => {
  const bound = atLeast === undefined ? `at most ${atMost}` : `at least ${atLeast}`;
  return `${met ? "met" : "MISSED"}: ${value} ${says}; goal ${bound}${aim === undefined ? "" : `, aim ${aim}`}`;
};

const pick = (figures: Figures, names: RegExp): string =>
  Object.entries(figures)
    .filter(([name]) => names.test(name))
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");
