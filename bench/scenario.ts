/** Figures by name; the unit is part of the name (`ackP99Ms`, `messagesPerSecond`). */
export type Figures = Readonly<Record<string, number>>;

/** A measurement beside the least that the machine needs for it, taken in the same run. */
export type Row = {
  readonly variant: string;
  /** What it ran on, where that is not Parley alone; stand-ins are named. */
  readonly engines?: string;
  readonly figures: Figures;
  /** What the floor is, in words. */
  readonly floorIs: string;
  /** The same figures of the floor, as far as it has them. */
  readonly floor: Figures;
  /** figure ÷ floor, for each figure that both have. */
  readonly ratio: Figures;
  readonly goal?: Goal;
};

export type Goal = { readonly says: string; readonly value: number; readonly atLeast: number; readonly met: boolean };

export type BenchContext = {
  /** Length of one measurement; warm-up and floors come on top. */
  readonly seconds: number;
  /** Share of the sizes that scenarios make, 0 to 1: below 1 only to see that they work. */
  readonly scale: number;
  readonly seal: "on" | "off";
  /** Where data directories are made: its disk is what `durable` costs. */
  readonly dataRoot: string;
  /** Processors by role; undefined where nothing can be pinned. */
  readonly cores: { readonly server: number | undefined; readonly load: number | undefined };
  /** The parley.js to measure; undefined is this build's. */
  readonly cli: string | undefined;
  /** Where the server leaves its CPU profiles; undefined without `--profile`. */
  readonly profileDir: string | undefined;

  /** A line for a person who watches; stdout belongs to the JSON. */
  readonly say: (line: string) => void;
};

/** One benchmark. It rejects when anything was lost or refused: a fast answer to the wrong question is no figure. */
export type Scenario = {
  readonly name: string;
  readonly summary: string;
  readonly run: (context: BenchContext) => Promise<readonly Row[] | Skipped>;
};

/** It cannot run here, and that is no failure: why, and what would change it. */
export type Skipped = { readonly skipped: string };

export const round = (value: number): number => Number(value.toPrecision(4));

const rounded = (figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, round(value)]));

/** A size as the context wants it; at least one. */
export const scaled = ({ scale }: Pick<BenchContext, "scale">, size: number): number =>
  Math.max(1, Math.round(size * scale));

/** Only what is a rate, a time or a cost has a ratio that means something. */
const comparable = /PerSecond$|Ms$|PerConnectionKiB$|Per1000$|^cpu.*Per(Message|Delivery)$/;

/** A row with its ratios; a floor of 0 has none. */
export const row = (measured: Omit<Row, "ratio">): Row => ({
  ...measured,
  figures: rounded(measured.figures),
  floor: rounded(measured.floor),
  ratio: Object.fromEntries(
    Object.entries(measured.figures).flatMap(([name, value]) => {
      const floor = measured.floor[name];
      return floor === undefined || floor === 0 || !comparable.test(name) ? [] : [[name, round(value / floor)]];
    }),
  ),
});
