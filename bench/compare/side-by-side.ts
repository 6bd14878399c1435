import { goal, ratioOf, row, type Figures, type Floor, type Goal, type Row } from "../scenario.js";

/** The medians of a variant for two builds, taken in turns. */
export type ComparedRow = Row & {
  readonly rounds: number;
  /** The other build's. */
  readonly other: Pick<Row, "figures" | "floors" | "goals">;
  /** This build's figure ÷ the other's. */
  readonly ratio: Figures;
};

/** One turn of each build. */
export type Round = { readonly own: readonly Row[]; readonly other: readonly Row[] };

/** Row by row, as the first round has them. Throws where a round lacks a variant. */
export const sideBySide = (rounds: readonly Round[]): readonly ComparedRow[] =>
  (rounds[0]?.own ?? []).map(({ variant }) => {
    const own = medianRow(rounds.map((round) => named(round.own, variant)));
    const other = medianRow(rounds.map((round) => named(round.other, variant)));
    const { figures, floors, goals } = other;
    return {
      ...own,
      rounds: rounds.length,
      other: { figures, floors, ...(goals === undefined ? {} : { goals }) },
      ratio: ratioOf(own.figures, figures),
    };
  });

const named = (rows: readonly Row[], variant: string): Row => {
  const found = rows.find((row) => row.variant === variant);
  if (found === undefined) throw new Error(`a round has no ${variant}`);
  return found;
};

/** Each figure's median, and the verdict on each goal's. Ratios are of the medians. */
const medianRow = (rows: readonly Row[]): Row => {
  const [first] = rows;
  if (first === undefined) throw new RangeError("the median of no rows");
  const floorOf = (name: string, { is }: Floor) => ({
    is,
    figures: medianFigures(rows.map(({ floors }) => floors[name]?.figures ?? {})),
  });
  const goalOf = (own: Goal, index: number): Goal =>
    goal(own.says, median(rows.map(({ goals }) => goals?.[index]?.value ?? own.value)), own);
  return row({
    ...first,
    figures: medianFigures(rows.map(({ figures }) => figures)),
    floors: Object.fromEntries(Object.entries(first.floors).map(([name, floor]) => [name, floorOf(name, floor)])),
    ...(first.goals === undefined ? {} : { goals: first.goals.map(goalOf) }),
  });
};

const medianFigures = (all: readonly Figures[]): Figures => {
  const names = new Set(all.flatMap((figures) => Object.keys(figures)));
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      median(all.flatMap((figures) => (figures[name] === undefined ? [] : [figures[name]]))),
    ]),
  );
};

/** Of an even number the mean of the middle two. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? NaN;
  return (at(Math.floor((sorted.length - 1) / 2)) + at(Math.ceil((sorted.length - 1) / 2))) / 2;
};

/** Two columns and their ratio, for a person: the figures that one looks at first. */
export const tableOf = (
  { variant, figures, floors, other, ratio }: ComparedRow,
  names: RegExp,
  headings: readonly [string, string],
): readonly string[] => {
  const line = (name: string, own: number | string, others: number | string, share: number | string): string =>
    `    ${name.padEnd(38)}${String(own).padStart(14)}${String(others).padStart(14)}${String(share).padStart(10)}`;
  const shares = Object.entries(floors).flatMap(([floor, each]) =>
    Object.entries(each.ratio)
      .filter(([name]) => /PerSecond$|^cpu.*PerMessage$/.test(name))
      .map(([name, value]) => line(`${name} ÷ ${floor}`, value, other.floors[floor]?.ratio[name] ?? "", "")),
  );
  return [
    line(variant, ...headings, "ratio").replace("    ", "  "),
    ...Object.keys({ ...figures, ...other.figures })
      .filter((name) => names.test(name))
      .map((name) => line(name, figures[name] ?? "", other.figures[name] ?? "", ratio[name] ?? "")),
    ...shares,
  ];
};
