import { Argument, Command } from "commander";
import { whoCouldReadOf, type ReadershipAsOf } from "../../operate/as-of/as-of.js";
import type { MomentAsked } from "../../operate/as-of/moment.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget, type ProfileOptions } from "../options.js";
import { grouped, harmless, next, progress, say, sayJson, table } from "../output.js";
import { moment, momentHelp, momentText } from "./moment.js";

type Options = ProfileOptions & { readonly asOf?: MomentAsked; readonly conversation?: string };

export const whoCouldReadCommand = withTarget(new Command("who-could-read"))
  .description("Tell who could read a message, from when until when and why, and who never could: from the log alone.")
  .addArgument(new Argument("<message>", "the message's id").argParser(someText))
  .option("--conversation <id>", "where it was sent: without it the whole log is looked through", someText)
  .option("--as-of <moment>", "what is known at a position or time (default: now)", moment)
  .addHelpText(
    "after",
    `
Could read: its history answered them the text. A member who leaves goes on reading what was in sight, as it was then; a
deletion ends it for everybody, and so does the author's erasure; the reader's own ends it for them. Whether a device was connected, or what somebody still has of it, is in no log.

${momentHelp}

With --json the first line is {"message":…}, and each user is a line of its own, {"reader":…}.

Exit code: 0 told, 1 there is no such message, or the log cannot be read, 2 wrong usage.`,
  )
  .action(async (message: string, options: Options) => {
    const bar = progress("looking for the message", "positions");
    try {
      const target = targetOf(options);
      const { asOf = "now" as const, conversation } = options;
      const where = conversation === undefined ? {} : { conversation };
      const found = await whoCouldReadOf(target, message, { moment: asOf, ...where, onProgress: bar.show });
      bar.end();
      if (options.json) {
        const { readers, ...about } = found;
        sayJson(about);
        for (const reader of readers) sayJson({ reader });
      } else tell(found, sameTarget(target));
      exitWhenSaid(0);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

const time = (at: number): string => new Date(at).toISOString();
const placeText = ({ position, at }: { readonly position: number; readonly at: number }): string =>
  `${grouped(position)} (${time(at)})`;

const tell = ({ asOf, message, readers, keysThere }: ReadershipAsOf, target: string): void => {
  const { messageId, conversationId, sequence, senderId, sent, edits, deleted, erased } = message;
  say(`As of ${momentText(asOf)}`);
  say(harmless(`${messageId}: #${sequence} of ${conversationId}, by ${senderId}, sent at ${placeText(sent)}`));
  if (edits > 0) say(`${edits} edits: parley audit as-of ${asOf.position} --conversation ${conversationId} lists them`);
  if (deleted !== undefined) say(`deleted at ${placeText(deleted)}: nobody reads it since then`);
  if (erased !== undefined) say(`${senderId} was erased at ${placeText(erased)}: nobody reads it since then`);
  else if (keysThere === false) say("Its key is gone: nobody can read it any more, whatever stands below");
  const could = readers.filter(({ never }) => never === undefined);
  const never = readers.filter((reader) => reader.never !== undefined);
  say("");
  say(
    table(
      ["could read", "from", "until", "why"],
      could.flatMap(({ userId, intervals }) =>
        intervals.map(({ from, until, ended, because, asLeft }) => [
          userId,
          placeText(from),
          until === undefined ? "now" : placeText(until),
          [
            because,
            ...(asLeft === undefined ? [] : [`left at ${placeText(asLeft)}, as it was then`]),
            ...(ended === undefined ? [] : [ended]),
          ].join("; "),
        ]),
      ),
    ),
  );
  if (never.length > 0)
    say(
      `\n${table(
        ["never could", "why"],
        never.map((reader) => [reader.userId, reader.never ?? ""]),
      )}`,
    );
  say("\nWho is not listed was never a member.");
  next(`parley audit as-of ${sent.position} --conversation ${conversationId} ${target}`);
};
