import { Argument, Command, InvalidArgumentError } from "commander";
import { openLogInspection, type EventPlace, type LogInspection, type ShownEvent } from "../../operate/inspect/log.js";
import { contextOf, openingOf, withOpening, type OpeningOptions } from "./output.js";
import { fail } from "../failure.js";
import { sameTarget, targetOf, withTarget } from "../options.js";
import type { Target } from "../../operate/target.js";
import { recordFirst } from "../recorded.js";
import { harmless, next, paint, say, sayJson } from "../output.js";
import { asPosition, asRevision } from "../../domain/kernel/stream.js";

const placePattern = /^(.+)@(\d{1,15})$/;
/** For commander: which event. */
export const place = (value: string): EventPlace => {
  if (/^\d{1,15}$/.test(value)) return { position: asPosition(Number(value)) };
  const [, stream, revision] = placePattern.exec(value) ?? [];
  if (stream === undefined || revision === undefined)
    throw new InvalidArgumentError("It must be a position, such as 42, or a place in a stream, such as user-alice@0.");
  return { stream, revision: asRevision(Number(revision)) };
};

export const showCommand = withOpening(withTarget(new Command("show")))
  .description("Print one event whole.")
  .addArgument(new Argument("<position|stream@revision>", "which event").argParser(place))
  .addHelpText("after", "\nExit code: 0 it is there, 1 it is not or cannot be read, 2 wrong usage.")
  .action(async (where: EventPlace, options: OpeningOptions) => {
    try {
      await show(where, options);
    } catch (error) {
      fail(error);
    }
  });

const show = async (where: EventPlace, options: OpeningOptions): Promise<void> => {
  const target = targetOf(options);
  if (options.open) {
    await recordFirst(target, options, { kind: "events.open", scope: { ...where } });
  }
  const log = await openLogInspection(target, openingOf(options, process.env));
  try {
    const event = await log.at(where);
    if (event === undefined) throw new Error(await noneAt(log, where));
    if (options.json) sayJson(event);
    else tell(event, target);
  } finally {
    await log.close();
  }
};

const noneAt = async (log: LogInspection, where: EventPlace): Promise<string> => {
  if ("position" in where) return `There is no event at ${where.position}; the log ends at ${await log.head()}`;
  const { stream, revision } = where;
  const last = await log.lastRevision(stream);
  if (last === undefined) return `There is no stream ${stream}`;
  return `There is no event at ${stream}@${revision}; the stream ends at revision ${last}`;
};

const tell = (event: ShownEvent, target: Target): void => {
  const { at, by } = contextOf(event.meta);
  const lines: readonly (readonly [string, string])[] = [
    ["position", String(event.position)],
    ["stream", `${event.stream}@${event.revision}`],
    ["type", event.type],
    ["id", event.id],
    ["at", at],
    ["by", by],
    ["meta", JSON.stringify(event.meta)],
  ];
  for (const [name, value] of lines) say(`${paint("grey", name.padEnd(9))} ${harmless(value)}`);
  say(`${paint("grey", "data")}\n${pretty(event.data)}`);
  if (event.damaged !== undefined) say(paint("red", `content   ${harmless(event.damaged)}`));
  if (event.opened === null) say(paint("yellow", "content   its key is gone: nobody can read it any more"));
  else if (event.opened !== undefined) say(`${paint("grey", "content")}\n${pretty(event.opened)}`);
  next(`parley events tail --stream ${event.stream} ${sameTarget(target)}`);
};

/** Line by line, so that the line breaks of the layout are the only ones. */
const pretty = (value: unknown): string => JSON.stringify(value, null, 2).split("\n").map(harmless).join("\n");
