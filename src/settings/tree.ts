/** How often heads of the tree are signed, and who outside is told of them. */
export type TreeSettings = {
  /** A head is due after so many events. */
  readonly headEvents: number;
  /** And after so long, when there were any. */
  readonly headSeconds: number;
  /** Each head is appended to it, a JSON text a line. */
  readonly witnessFile?: string;
  /** Each head is posted there. */
  readonly witnessUrl?: string;
};

export const treeVariables = [
  ...["PARLEY_TREE_HEAD_EVENTS", "PARLEY_TREE_HEAD_SECONDS"],
  ...["PARLEY_TREE_WITNESS_FILE", "PARLEY_TREE_WITNESS_URL"],
] as const;

/** A head is an append as any other: 1,440 a day at most while nobody writes much. */
const headEventsDefault = 10_000;
const headSecondsDefault = 60;

/** The environment alone gives it: how a log is witnessed does not change from one start to the next. */
export const readTreeSettings = (
  environment: Readonly<Record<string, string | undefined>>,
  problems: string[],
): TreeSettings => {
  const whole = (name: string, max: number, otherwise: number): number => {
    const given = environment[name];
    if (given === undefined || given === "") return otherwise;
    const value = Number(given);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    problems.push(`${name} is ${JSON.stringify(given)}; it must be a whole number from 1 to ${max}`);
    return otherwise;
  };
  const { PARLEY_TREE_WITNESS_FILE: witnessFile, PARLEY_TREE_WITNESS_URL: witnessUrl } = environment;
  // The problem does not quote the value, which may hold a password.
  if (witnessUrl && !(URL.canParse(witnessUrl) && /^https?:$/.test(new URL(witnessUrl).protocol)))
    problems.push("PARLEY_TREE_WITNESS_URL must be an http or https URL");
  return {
    headEvents: whole("PARLEY_TREE_HEAD_EVENTS", 1_000_000, headEventsDefault),
    headSeconds: whole("PARLEY_TREE_HEAD_SECONDS", 86_400, headSecondsDefault),
    ...(witnessFile ? { witnessFile } : {}),
    ...(witnessUrl ? { witnessUrl } : {}),
  };
};
