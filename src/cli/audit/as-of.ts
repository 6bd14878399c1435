import { Argument, Command } from "commander";
import { asOf, type AsOfLine, type AsOfSubject } from "../../operate/as-of/as-of.js";
import type { MomentAsked } from "../../operate/as-of/moment.js";
import { BadConfig, sodiumOf } from "../../settings/config.js";
import { withOpening, type OpeningOptions } from "../events/output.js";
import { fail } from "../failure.js";
import { exitWhenSaid, sameTarget, someText, targetOf, withTarget } from "../options.js";
import { harmless, next, paint, progress, say, sayJson } from "../output.js";
import { recordFirst } from "../recorded.js";
import { moment, momentHelp, momentText } from "./moment.js";

type Options = OpeningOptions & { readonly conversation?: string; readonly user?: string };

export const asOfCommand = withOpening(withTarget(new Command("as-of")))
  .description("Print a conversation, or what a user had, as it was at a moment: recomputed from the log alone.")
  .addArgument(new Argument("<position|time|now>", "which moment").argParser(moment))
  .option("--conversation <id>", "its settings, members, messages with every version, reactions and receipts", someText)
  .option("--user <id>", "their profile, devices and inbox with unread (looks once through the log)", someText)
  .addHelpText(
    "after",
    `
${momentHelp}

With --json each thing is a line of its own: {"asOf":…} first, then {"conversation":…}, {"member":…}, {"message":…} and
{"version":…}, or {"user":…}, {"device":…} and {"inbox":…}. Texts stay sealed without --open.

Exit code: 0 printed, 1 it was not there then, or the log cannot be read, 2 wrong usage.`,
  )
  .action(async (when: MomentAsked, options: Options) => {
    const bar = progress("looking for conversations", "positions");
    try {
      const target = targetOf(options);
      const subject = subjectOf(options);
      const { conversation, user } = options;
      if (options.open)
        await recordFirst(target, options, { kind: "audit.as-of", scope: { conversation, user, moment: asked(when) } });
      const open = options.open ? { open: sodiumOf(process.env) } : {};
      let position = 0;
      const tell = (line: AsOfLine): void => {
        bar.end();
        if ("asOf" in line) ({ position } = line.asOf);
        if (options.json) sayJson(line);
        else say(textOf(line));
      };
      await asOf(target, subject, { moment: when, ...open, onProgress: bar.show }, tell);
      if (!options.json)
        next(
          `parley events show ${position} ${sameTarget(target)}`,
          `parley audit who-could-read MESSAGE --as-of ${position} ${sameTarget(target)}`,
        );
      exitWhenSaid(0);
    } catch (error) {
      bar.end();
      fail(error);
    }
  });

const asked = (when: MomentAsked): string =>
  when === "now" ? "now" : "at" in when ? new Date(when.at).toISOString() : String(when.position);

const subjectOf = ({ conversation, user }: Options): AsOfSubject => {
  if (conversation !== undefined && user === undefined) return { conversation };
  if (user !== undefined && conversation === undefined) return { user };
  throw new BadConfig(["Name one of --conversation ID and --user ID"]);
};

type Text = { readonly text: string | null } | { readonly sealed: true } | null;
const text = (of: Text): string =>
  of === null ? "(none)" : "sealed" in of ? "(sealed)" : of.text === null ? "(its key is gone)" : `“${of.text}”`;
const time = (at: number | null): string => (at === null ? "never" : new Date(at).toISOString());
const line = (what: string, ...parts: readonly string[]): string =>
  `${paint("cyan", what.padEnd(12))} ${parts
    .filter((part) => part !== "")
    .map(harmless)
    .join("  ")}`;
const setFlags = (flags: object): string =>
  Object.entries(flags)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ");

const textOf = (of: AsOfLine): string => {
  if ("asOf" in of) return `As of ${momentText(of.asOf)}`;
  if ("conversation" in of) {
    const { conversationId, kind, name, memberCount, lastSequence, createdBy, createdAt, settings } = of.conversation;
    const about = `${memberCount} members, ${lastSequence} messages`;
    const head = line("conversation", conversationId, kind, text(name), about, `by ${createdBy} ${time(createdAt)}`);
    return `${head}\n${line("settings", setFlags(settings))}`;
  }
  if ("member" in of) {
    const { userId, role, joinedAt, deliveredUpTo, readUpTo } = of.member;
    return line("member", userId, role, `since ${time(joinedAt)}`, `delivered ${deliveredUpTo}, read ${readUpTo}`);
  }
  if ("message" in of) return messageText(of.message);
  if ("version" in of) {
    const { sequence, change, at, position, content } = of.version;
    const said = change === "deleted" ? "" : text(content);
    return line("version", `#${sequence}`, change, time(at), `position ${position}`, said);
  }
  if ("user" in of) return line("user", of.user.userId, text(of.user.displayName), setFlags(of.user.privacy));
  if ("device" in of) return line("device", of.device.deviceId, of.device.deviceType, time(of.device.registeredAt));
  const { conversationId, kind, name, unread, readUpTo, lastSequence, pinned, archived, mutedUntil } = of.inbox;
  const flags = [
    ...(pinned === null ? [] : [`pinned ${pinned}`]),
    ...(archived ? ["archived"] : []),
    ...(mutedUntil === null ? [] : [`muted until ${time(mutedUntil)}`]),
  ];
  const about = `${unread} unread, read ${readUpTo} of ${lastSequence}`;
  return line("inbox", conversationId, kind, text(name), about, flags.join(", "));
};

const messageText = (of: Extract<AsOfLine, { readonly message: unknown }>["message"]): string => {
  const { sequence, messageId, senderId, at, content, editedAt, deletedAt, reactions, receipts } = of;
  const shown = deletedAt === null ? text(content) : `deleted ${time(deletedAt)}`;
  const edited = editedAt === null || deletedAt !== null ? "" : `edited ${time(editedAt)}`;
  const reacted = reactions.flatMap(({ users }) => users.map(({ userId, emoji }) => `${userId} ${text(emoji)}`));
  const counts = `received ${receipts.delivered}, read ${receipts.read} of ${receipts.of}`;
  return line("message", `#${sequence}`, messageId, senderId, time(at), shown, edited, counts, reacted.join(", "));
};
