import { parseArgs } from "node:util";
import { tmpdir } from "node:os";
import { resolve } from "node:path";

export type Arguments = {
  readonly scenarios: readonly string[];
  readonly seconds: number;
  readonly scale: number;
  readonly json: string | undefined;
  readonly seal: "on" | "off";
  readonly data: string;
  readonly cli: string | undefined;
  /** The revision that takes turns with this build. */
  readonly compare: string | undefined;
  readonly rounds: number;
  readonly profile: string | undefined;
  readonly help: boolean;
};

export class UsageError extends Error {
  override readonly name = "UsageError";
}

const secondsMax = 3600;
const roundsMax = 100;

/** Reads the command line; throws `UsageError`, whose message is for the person who typed it. */
export const readArguments = (argv: readonly string[]): Arguments => {
  const { values, positionals } = parse(argv);
  const seconds = Number(values.seconds);
  if (!(seconds >= 1 && seconds <= secondsMax))
    throw new UsageError(`--seconds is 1 to ${secondsMax}, not ${values.seconds}`);
  const scale = Number(values.scale);
  if (!(scale > 0 && scale <= 1)) throw new UsageError(`--scale is above 0 and at most 1, not ${values.scale}`);
  if (values.seal !== "on" && values.seal !== "off") throw new UsageError(`--seal is on or off, not ${values.seal}`);
  const rounds = Number(values.rounds);
  if (!(Number.isInteger(rounds) && rounds >= 1 && rounds <= roundsMax))
    throw new UsageError(`--rounds is 1 to ${roundsMax}, not ${values.rounds}`);
  return {
    scenarios: positionals,
    seconds,
    scale,
    json: values.json,
    seal: values.seal,
    data: resolve(values.data),
    cli: values.cli === undefined ? undefined : resolve(values.cli),
    compare: values.compare,
    rounds,
    profile: values.profile ? resolve(values.data, `parley-bench-profiles-${Date.now()}`) : undefined,
    help: values.help,
  };
};

const parse = (argv: readonly string[]) => {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        seconds: { type: "string", default: "10" },
        scale: { type: "string", default: "1" },
        json: { type: "string" },
        seal: { type: "string", default: "on" },
        data: { type: "string", default: tmpdir() },
        cli: { type: "string" },
        compare: { type: "string" },
        rounds: { type: "string", default: "3" },
        profile: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
};

/** `scenarios` are lines of name and summary. */
export const helpText = (scenarios: readonly string[]): string => `npm run bench -- [scenario…] [options]

Measures Parley beside the least that this machine needs for the same work, and prints JSON on stdout.
Without a name all scenarios run, one after the other.

Scenarios
${scenarios.map((line) => `  ${line}`).join("\n")}

Options
  --seconds N     length of one measurement, without warm-up and floors (10)
  --scale S       share of the sizes that scenarios make, 0 to 1: only to see that they work (1)
  --json FILE     write the JSON to FILE as well
  --seal on|off   sealing of content in the server (on)
  --data DIR      where data directories are made and removed; its disk is what durable costs (${tmpdir()})
  --cli FILE      the parley.js to measure, to compare another build with the same load generator (this build's)
  --compare REV   build another revision (git) in a worktree of its own, take turns with it and print both: medians and
                  their ratio; with this build's packages, load generator and floors
  --rounds N      turns of each (3)
  --profile       run servers with --cpu-prof; the profiles stay in DIR, and where is said at the end
  --help          this text

Exit code: 0 all figures were taken · 1 a scenario failed, its error is in the JSON · 2 wrong usage
`;
