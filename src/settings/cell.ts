import type { Logger } from "../gateway/ports.js";

type Environment = Readonly<Record<string, string | undefined>>;
type CellFlags = { readonly cell?: string; readonly home?: string };

/** A value, and the option or variable that it came from. */
export type Given = { readonly source: string; readonly value: string };

/** An option or variable that has another name by now, and is taken all the same. */
export type OldName = { readonly old: string; readonly now: string };

/** No setting of its own: it is the cell's, as it was called before. */
export const oldCellVariable = "PARLEY_HOME";

/**
 * The cell's name as it was given, under today's name of the setting or the one before, the command line first. An old
 * name of another value than the new one's is a problem: a cell's name is for ever, so none of the two is guessed.
 */
export const givenCell = (flags: CellFlags, environment: Environment) => {
  const oldVariable = environment[oldCellVariable];
  const pairs = [
    { now: "--cell", value: flags.cell, old: "--home", oldValue: flags.home },
    {
      ...{ now: "PARLEY_CELL", value: environment.PARLEY_CELL },
      ...{ old: oldCellVariable, oldValue: oldVariable === "" ? undefined : oldVariable },
    },
  ];
  const all = pairs.flatMap(({ now, value, old, oldValue }) => [...named(now, value), ...named(old, oldValue)]);
  return {
    given: all[0],
    oldNames: pairs.flatMap(({ now, old, oldValue }): readonly OldName[] =>
      oldValue === undefined ? [] : [{ old, now }],
    ),
    problems: pairs.flatMap(({ now, value, old, oldValue }) =>
      value === undefined || oldValue === undefined || value === oldValue
        ? []
        : [
            `${old} is ${JSON.stringify(oldValue)} and ${now}, as it is called now, ${JSON.stringify(value)}; ` +
              `leave ${old} out, and give ${now} the name that the cell has`,
          ],
    ),
  };
};

const named = (source: string, value: string | undefined): readonly Given[] =>
  value === undefined ? [] : [{ source, value }];

export const warnOfOldNames = (oldNames: readonly OldName[], logger: Logger): void => {
  for (const names of oldNames)
    logger.warn(names, "a setting has another name now; its old one is taken, with its value");
};
