import { Command } from "commander";
import { diagnose, type Diagnosis } from "../infra/profiles/doctor.js";
import type { Check } from "../infra/profiles/doctor-check.js";
import { fail } from "./failure.js";
import { harmless, next, paint, say, sayJson, type Colour } from "./output.js";
import { withInspection, type InspectionOptions } from "./options.js";

export const doctorCommand = withInspection(new Command("doctor"))
  .description("Look at everything that Parley needs; say what is wrong and how to mend it.")
  .addHelpText(
    "after",
    `
Reads a running or stopped server's files without disturbing it, and changes nothing. It judges the configuration of its
own environment: run it with the server's. Exit code: 0 nothing is wrong (there may be warnings), 1 something is, 2 wrong usage.`,
  )
  .action(async ({ json, data }: InspectionOptions) => {
    try {
      const diagnosis = await diagnose(data === undefined ? {} : { data }, process.env);
      if (json) sayJson(diagnosis);
      else tell(diagnosis);
      process.exitCode = diagnosis.ok ? 0 : 1;
    } catch (error) {
      fail(error);
    }
  });

const marks: Readonly<Record<Check["state"], readonly [Colour, string]>> = {
  ok: ["green", "ok     "],
  warning: ["yellow", "warning"],
  wrong: ["red", "WRONG  "],
};

const tell = ({ checks, dataDir, running, ok }: Diagnosis): void => {
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, state, says, mend } of checks) {
    say(`${paint(...marks[state])}  ${name.padEnd(width)}  ${harmless(says)}`);
    if (mend !== undefined) say(`${" ".repeat(11 + width)}${paint("cyan", `→ ${harmless(mend)}`)}`);
  }
  const count = (state: Check["state"]): number => checks.filter((check) => check.state === state).length;
  say(`\n${ok ? "Nothing is wrong" : `${count("wrong")} wrong`}, ${count("warning")} warnings.`);
  const data = `--data ${dataDir}`;
  if (!ok) next(`parley doctor ${data}     again, when the first → is done`);
  else if (running) next(`parley projections status ${data}`, `parley events tail --follow ${data}`);
  else next(`parley serve ${data}`);
};
