/** Figures by name; the unit is part of the name (`ackP99Ms`, `messagesPerSecond`). */
export type Figures = Readonly<Record<string, number>>;

/** A measurement beside the least that the machine needs for it, taken in the same run. */
export type Row = {
  readonly variant: string;
  /** What it ran on, where that is not Parley alone; stand-ins are named. */
  readonly engines?: string;
  readonly figures: Figures;
  /** By name: the least that the machine needs for the same work, or for part of it. */
  readonly floors: Readonly<Record<string, Floor>>;
  readonly goals?: readonly Goal[];
};

export type Floor = {
  /** What it is, in words. */
  readonly is: string;
  /** The same figures, as far as it has them. */
  readonly figures: Figures;
  /** Parley's figure ÷ the floor's, for each that both have. */
  readonly ratio: Figures;
};

export type Bounds = {
  readonly atLeast?: number;
  readonly atMost?: number;
  /** What would be better than good enough. */
  readonly aim?: number;
};
export type Goal = Bounds & { readonly says: string; readonly value: number; readonly met: boolean };

export const goal = (says: string, value: number, bounds: Bounds): Goal => ({
  ...bounds,
  ...{ says, value: round(value) },
  met: value >= (bounds.atLeast ?? -Infinity) && value <= (bounds.atMost ?? Infinity),
});

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

  /** Of a round in which builds take turns: what was measured already counts for the other build as well. */
  readonly floorsOfRound?: Map<string, unknown>;

  /** A line for a person who watches; stdout belongs to the JSON. */
  readonly say: (line: string) => void;
};

/** One benchmark. It rejects when anything was lost or refused: a fast answer to the wrong question is no figure. */
export type Scenario = {
  readonly name: string;
  readonly summary: string;
  /** It measures code of this build without a server, so that another build has nothing to set against it. */
  readonly ofThisBuildOnly?: true;
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
export const row = (measured: Measured): Row => ({
  ...measured,
  figures: rounded(measured.figures),
  floors: Object.fromEntries(
    Object.entries(measured.floors).map(([name, { is, figures }]) => [
      name,
      { is, figures: rounded(figures), ratio: ratioOf(measured.figures, figures) },
    ]),
  ),
});

export type Measured = Omit<Row, "floors"> & {
  readonly floors: Readonly<Record<string, Omit<Floor, "ratio">>>;
};

/** Of what is comparable and neither lacks. */
export const ratioOf = (figures: Figures, others: Figures): Figures =>
  Object.fromEntries(
    Object.entries(figures).flatMap(([name, value]) => {
      const other = others[name];
      return other === undefined || other === 0 || !comparable.test(name) ? [] : [[name, round(value / other)]];
    }),
  );
