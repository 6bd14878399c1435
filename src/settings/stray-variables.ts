import type { Logger } from "../gateway/ports.js";
import { oldCellVariable } from "./cell.js";
import { distributedVariables } from "./distributed.js";
import { embeddedVariables } from "./config.js";

type Environment = Readonly<Record<string, string | undefined>>;

const known = { embedded: embeddedVariables, distributed: distributedVariables };

/** Names that are set and change nothing: misspelt ones, and those of the other profile. Their values are never said. */
export const strayVariables = (profile: keyof typeof known, environment: Environment) => {
  const other = profile === "embedded" ? "distributed" : "embedded";
  const names = Object.keys(environment).filter((name) => name.startsWith("PARLEY_") && environment[name] !== "");
  const stray = names.filter((name) => name !== oldCellVariable && !known[profile].includes(name)).sort();
  return {
    unknown: stray.filter((name) => !known[other].includes(name)),
    ofOther: stray.filter((name) => known[other].includes(name)),
  };
};

export const warnOfStrayVariables = (profile: keyof typeof known, logger: Logger): void => {
  const { unknown, ofOther } = strayVariables(profile, process.env);
  if (unknown.length > 0)
    logger.warn({ names: unknown }, "variables that Parley does not know are set; they change nothing");
  if (ofOther.length > 0)
    logger.warn({ names: ofOther, profile }, "variables of the other profile are set; they change nothing");
};
