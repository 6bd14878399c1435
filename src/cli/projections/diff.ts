import { Command } from "commander";
import { diff, differs, type Diff, type EffectDifference, type RowDifference } from "../../operate/diff/diff.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, targetOf, wholeNumber, withTarget, type ProfileOptions } from "../options.js";
import { grouped, harmless, next, note, paint, progress, say, sayJson, table } from "../output.js";

type Options = ProfileOptions & { readonly samples: number };

export const diffCommand = withTarget(new Command("diff"))
  .description(
    "Compare two generations of the views, or two captures: counts, then samples with the events that prove what is right.",
  )
  .argument("<a>", "live, a scratch file of views, or a capture (parley projections replay makes the last two)")
  .argument("<b>", "the same")
  .option("--samples <count>", "differences that are shown, of each view or capture", wholeNumber(0), 5)
  .addHelpText(
    "after",
    `
Either may move meanwhile. Rows that events between the two positions speak of are counted as moved, and as neither the
same nor different. Captures are compared effect by effect; both must be of the same events.

  parley projections replay all --into before.db          with one version
  parley projections replay all --into after.db           with the other
  parley projections diff before.db after.db

Exit code: 0 they are the same, 1 they differ, or it failed; 2 wrong usage.`,
  )
  .action(async (a: string, b: string, options: Options) => {
    const bar = progress("comparing", "rows");
    try {
      const target = targetOf(options);
      const found = await diff(target, [a, b], {
        samples: options.samples,
        onRows: (rows) => {
          bar.show(rows, 0);
        },
      }).finally(bar.end);
      if (options.json === true) sayJson({ diff: found });
      else tell(found, [a, b], sameTarget(target));
      exitWhenSaid(differs(found) ? 1 : 0);
    } catch (error) {
      fail(error);
    }
  });

const tell = (found: Diff, [a, b]: readonly [string, string], target: string): void => {
  if (found.of === "effects") {
    say(
      `${grouped(found.same)} effects are the same, ${grouped(found.onlyA)} only in ${a}, ${grouped(found.onlyB)} only in ${b}`,
    );
    for (const sample of found.samples) say(effectText(sample));
  } else {
    if (found.a !== found.b) note(`${a} is at ${found.a}, ${b} at ${found.b}`);
    const rows = found.views.map(({ view, same, onlyA, onlyB, different, moved }) => [
      view,
      same,
      onlyA,
      onlyB,
      different,
      moved,
    ]);
    say(table(["view", "same", `only in ${a}`, `only in ${b}`, "different", "moved"], rows));
    for (const sample of found.samples) say(rowText(sample));
    if (found.isCut) note("\n→ So many rows differ that the rest were not compared.");
  }
  if (!differs(found)) say(paint("green", "They are the same."));
  else if (found.of === "rows") next(`parley projections reconcile --sample 1% ${target}`);
  const position = found.of === "effects" ? found.samples[0]?.position : undefined;
  if (position !== undefined) next(`parley events show ${position} ${target}`);
};

const lineMax = 200;
const cut = (text: string): string => harmless(text.length > lineMax ? `${text.slice(0, lineMax)}…` : text);

const effectText = ({ position, onlyA, onlyB }: EffectDifference): string =>
  [
    paint("red", `after ${position}`),
    ...onlyA.map((line) => `  - ${cut(line)}`),
    ...onlyB.map((line) => `  + ${cut(line)}`),
  ].join("\n");

const rowText = ({ view, key, kind, fields }: RowDifference): string =>
  [
    paint("red", `${view} ${harmless(key.join(" "))}: ${kind}`),
    ...fields.map(({ field, a, b, aVersion, bVersion, right, proof }) => {
      const versions = aVersion === bVersion ? "" : ` (versions ${aVersion ?? "-"} and ${bVersion ?? "-"})`;
      const said =
        proof === undefined
          ? ""
          : `; the log says ${shown(right)}: ${proof.type} at ${proof.position}, ${proof.stream}@${proof.revision}`;
      return `  ${field}: ${cut(shown(a))} and ${cut(shown(b))}${versions}${paint("grey", cut(said))}`;
    }),
  ].join("\n");

const shown = (value: unknown): string => {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};
