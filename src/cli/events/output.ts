import type { Command } from "commander";
import { byOf, type By } from "../../domain/kernel/by.js";
import type { ShownEvent } from "../../operate/inspect/log.js";
import type { InspectionOptions } from "../options.js";
import { harmless, paint } from "../output.js";

export type OpeningOptions = InspectionOptions & { readonly open?: true };

export const withOpening = (command: Command): Command =>
  command.option("--open", "open sealed content with keys.db: a privileged read of what people wrote");

export const privileged =
  "parley: --open shows what people wrote. This is a privileged read: have a reason, and keep what is shown to yourself.";

/** Characters of an event's data on its line. */
const summaryCharsMax = 160;

/** One line: position, time, type, place, who, data. */
export const summaryOf = (event: ShownEvent): string => {
  const { at, by } = contextOf(event.meta);
  const data = JSON.stringify(brief(event));
  const short = data.length > summaryCharsMax ? `${data.slice(0, summaryCharsMax - 1)}…` : data;
  const place = `${event.stream}@${event.revision}`;
  return [
    String(event.position).padStart(8),
    paint("grey", at),
    paint("cyan", event.type.padEnd(18)),
    harmless(place),
    paint("grey", harmless(by)),
    harmless(short),
  ].join("  ");
};

/** When and by whom, as a reader wants it. */
export const contextOf = (meta: unknown): { readonly at: string; readonly by: string } => {
  const { at, by } = (meta ?? {}) as { at?: unknown; by?: unknown };
  const time = typeof at === "number" && Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : "?";
  const known = byOf(by);
  return { at: time, by: known === undefined ? "?" : nameOf(known) };
};

/** A person is named by user and device, everybody else by what they are first: no user's id holds a space or a slash. */
const nameOf = (by: By): string => {
  switch (by.kind) {
    case "user":
      return `${by.userId}/${by.deviceId}`;
    case "bot":
      return `bot ${by.userId}`;
    case "app":
      return by.onBehalfOf === undefined ? `app ${by.keyId}` : `app ${by.keyId} for ${by.onBehalfOf}`;
    case "system":
      return "system";
    case "operator":
      return by.userId === undefined ? "operator" : `operator ${by.userId}`;
  }
};

/** Ciphertext says nothing to a reader: its length does. What was opened is first on the line, which may be cut before its end. */
const brief = ({ data, opened, damaged }: ShownEvent): unknown => {
  if (typeof data !== "object" || data === null) return data;
  const { content, ...others } = data as { content?: { alg?: unknown; data?: unknown } };
  if (typeof content?.data !== "string") {
    if (damaged !== undefined) return { opened: "(damaged: does not open)", ...data };
    return opened === undefined ? data : { opened, ...data };
  }
  const shown =
    damaged === undefined ? contentOf(opened, content.alg, content.data.length) : "(damaged: does not open)";
  return { content: shown, ...others };
};

/** `opened` is undefined when it was not asked for, null when the key is gone. */
const contentOf = (opened: unknown, alg: unknown, length: number): unknown => {
  if (opened === null) return "(its key is gone)";
  if (opened !== undefined) return opened;
  return alg === "none" ? `(not sealed, ${length} characters)` : `(sealed, ${length} characters)`;
};
