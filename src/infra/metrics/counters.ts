import { Counter, type Registry } from "prom-client";

/** Adds at once, is read at a scrape. */
export type Count = (by: number) => void;
/** A value for each of the counter's labels, at most two. */
export type LabelledCount = (by: number, first?: string, second?: string) => void;

/** Distinct label values of one counter: a name that a client chose must not fill the memory. */
const seriesMax = 500;

/** Mutated in place: a new value in a Map would be one more look-up for each that is counted. */
type Cell = { value: number };

/** One number. Nothing is looked up to add to it. */
export const plainCounter = (registry: Registry, name: string, help: string): Count => {
  const cell: Cell = { value: 0 };
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(cell.value);
    },
  });
  return (by) => {
    cell.value += by;
  };
};

/** A number for each series, by its first and second label's value. */
export const labelledCounter = (
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
): LabelledCount => {
  const series = new Map<string, Map<string, Cell>>();
  let count = 0;
  const cellOf = (first: string, second: string): Cell => {
    const inner = series.get(first);
    const known = inner?.get(second);
    if (known !== undefined) return known;
    if (count >= seriesMax && first !== "other") return cellOf("other", labelNames.length > 1 ? "other" : "");
    count++;
    const cell = { value: 0 };
    series.set(first, (inner ?? new Map<string, Cell>()).set(second, cell));
    return cell;
  };
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const [first, inner] of series)
        for (const [second, { value }] of inner) this.inc(labelsOf(labelNames, [first, second]), value);
    },
  });
  // The hot path counts the same series over and over: one that is counted twice in a row is not looked up again.
  let lastFirst = "";
  let lastSecond = "";
  let last: Cell | undefined;
  return (by, first = "", second = "") => {
    if (last === undefined || first !== lastFirst || second !== lastSecond) {
      last = cellOf(first, second);
      lastFirst = first;
      lastSecond = second;
    }
    last.value += by;
  };
};

const labelsOf = (names: readonly string[], values: readonly string[]) =>
  Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));
