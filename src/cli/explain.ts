import { Argument, Command } from "commander";
import {
  explain,
  explained,
  type Explained,
  type ExplainLine,
  type ExplainSubject,
  type Explanation,
} from "../operate/explain/explain.js";
import { BadConfig } from "../settings/config.js";
import { fail } from "./failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "./options.js";
import { grouped, harmless, next, note, paint, say, sayJson, table } from "./output.js";

type Options = ProfileOptions & { readonly user: string; readonly conversation: string; readonly message?: string };

export const explainCommand = withTarget(new Command("explain"))
  .description(
    "Say why a value is what it is: as the views show it, as the log makes it, the rule, and the events behind it.",
  )
  .addArgument(new Argument("<what>", "what to explain").choices(explained))
  .requiredOption("--user <id>", "whose value", someText)
  .requiredOption("--conversation <id>", "in which conversation", someText)
  .option("--message <id>", "of receipt and delivery: which message", someText)
  .addHelpText(
    "after",
    `
unread    how many messages are unread, and which make the number
inbox     whether the conversation is in their inbox, and where
receipt   whether they count as having received and read a message
delivery  why they did or did not get a message: membership, devices, deletion, cursors

No text is opened. With --json the first line is {"explanation":…}, and each event is a line of its own, {"event":…}.

Exit code: 0 the views show what the log says; 1 they do not, or it is not there or cannot be read; 2 wrong usage.`,
  )
  .action(async (what: Explained, options: Options) => {
    try {
      const target = targetOf(options);
      const subject = subjectOf(what, options);
      const events = newestEvents();
      const tell = (line: ExplainLine): void => {
        if (options.json) sayJson(line);
        else if ("event" in line) events.take(line.event);
        else sayExplanation(line.explanation);
      };
      const { verdict } = await explain(target, what, subject, tell);
      if (!options.json) {
        events.say();
        if (what === "delivery")
          note(
            "What no log knows: whether a device was connected, or showed it. A cursor is what a device said by itself.",
          );
        next(
          ...(verdict === "drifted"
            ? [`parley projections reconcile --conversation ${subject.conversation} ${sameTarget(target)}`]
            : [`parley audit as-of now --conversation ${subject.conversation} ${sameTarget(target)}`]),
        );
      }
      exitWhenSaid(verdict === "drifted" ? 1 : 0);
    } catch (error) {
      fail(error);
    }
  });

/** @throws BadConfig without a message where one is needed */
const subjectOf = (what: Explained, { user, conversation, message }: Options): ExplainSubject => {
  if ((what === "receipt" || what === "delivery") && message === undefined)
    throw new BadConfig([`explain ${what} is about one message: add --message ID`]);
  return { user, conversation, ...(message === undefined ? {} : { message }) };
};

const sayExplanation = ({ what, position, shown, fromLog, verdict, rule, reader }: Explanation): void => {
  say(`${what}, where the views stand: position ${grouped(position)} of the log`);
  const names = Object.keys({ ...fromLog, ...shown });
  const cell = (value: unknown): string => (value === undefined ? "(no row)" : JSON.stringify(value));
  say(
    table(
      ["", "shown", "from the log"],
      names.map((name) => [name, cell(shown?.[name]), cell(fromLog[name])]),
    ),
  );
  if (verdict === "drifted") say(paint("red", "\nThe views do not show what the log says: they have drifted."));
  if (verdict === "moved") say(paint("yellow", "\nThe views moved on while they were compared: run it again."));
  say(`\n${paint("grey", "Rule")}  ${rule}`);
  if (reader?.never !== undefined) say(`They could never read it: ${reader.never}.`);
  for (const { from, until, because } of reader?.intervals ?? []) {
    const end = until === undefined ? "until now" : `until position ${grouped(until.position)}, when it was deleted`;
    say(`They could read it from position ${grouped(from.position)} (${because}) ${end}.`);
  }
};

const shownMax = 50;

type Event = Extract<ExplainLine, { readonly event: unknown }>["event"];

/** The newest of them, in the log's order: a number may be made of a million. */
const newestEvents = () => {
  let kept: readonly Event[] = [];
  let taken = 0;
  return {
    take: (event: Event): void => {
      taken += 1;
      kept = [...kept, event];
      if (kept.length > 2 * shownMax) kept = newest(kept);
    },
    say: (): void => {
      const rows = newest(kept).map(({ position, stream, revision, type, at, contributes, adds }) => [
        position,
        `${stream}@${revision}`,
        type,
        new Date(at).toISOString(),
        adds === undefined ? "" : adds > 0 ? `+${adds}` : String(adds),
        contributes,
      ]);
      say(`\n${table(["position", "event", "type", "at", "adds", "what it does"], rows)}`);
      if (taken > rows.length) say(harmless(`… and ${grouped(taken - rows.length)} before: --json prints all`));
    },
  };
};

const newest = (events: readonly Event[]): readonly Event[] =>
  events.toSorted((a, b) => a.position - b.position).slice(-shownMax);
