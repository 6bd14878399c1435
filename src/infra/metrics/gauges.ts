import { Gauge, type Registry } from "prom-client";
import { within } from "../../lib/time.js";

/** A figure that is read at a scrape. */
export const readGauge = (registry: Registry, name: string, help: string, read: () => number): void => {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
};

/** A figure for each of several things, by a label's value. */
export const readGaugeBy = (
  registry: Registry,
  name: string,
  help: string,
  label: string,
  read: () => Readonly<Record<string, number>>,
): void => {
  new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      for (const [value, figure] of Object.entries(read())) this.set({ [label]: value }, figure);
    },
  });
};

export type TelemetrySources = {
  /** Appends that wait for their commit. */
  readonly logQueueDepth: () => number;
  readonly logHead: () => number | Promise<number>;
  /** How far each projection has come. `lagEvents`: events between it and the head. */
  readonly projections: () => readonly ProjectionFigures[] | Promise<readonly ProjectionFigures[]>;
};
export type ProjectionFigures = { readonly name: string; readonly position: number; readonly lagEvents: number };

/** Figures of the log and the projections, from the sources that were named last. */
export const sourceGauges = (registry: Registry): ((sources: TelemetrySources) => void) => {
  let sources: TelemetrySources | undefined;
  const gauge = (name: string, help: string, read: (from: TelemetrySources) => number | Promise<number>) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const value = sources === undefined ? 0 : await readable(read(sources));
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  const projectionGauge = (name: string, help: string, read: (figures: ProjectionFigures) => number) =>
    new Gauge({
      name,
      help,
      labelNames: ["projection"],
      registers: [registry],
      async collect() {
        const all = sources === undefined ? [] : await readable(sources.projections());
        this.reset();
        for (const figures of all ?? []) this.set({ projection: figures.name }, read(figures));
      },
    });
  gauge("parley_log_queue_depth", "Appends that wait for their commit.", (from) => from.logQueueDepth());
  gauge("parley_log_head_position", "Position of the log's last event.", (from) => from.logHead());
  projectionGauge("parley_projection_position", "Position that a projection has reached.", (each) => each.position);
  projectionGauge("parley_projection_lag_events", "Events behind the log's head.", (each) => each.lagEvents);
  return (next) => {
    sources = next;
  };
};

/** All of them are read at once, and Prometheus gives a scrape up after ten seconds by default. */
const readableMsMax = 2_000;

/** Undefined when the store that knows it is away: an outage must not hide all other figures. */
const readable = async <A>(value: A | Promise<A>): Promise<A | undefined> => {
  try {
    return await within(Promise.resolve(value), readableMsMax, () => undefined);
  } catch {
    return undefined; // readiness and the engine's own metrics say what is wrong
  }
};
