import type { Command } from "commander";
import { byOf, type By } from "../../domain/kernel/by.js";
import { textFields, type ShownEvent } from "../../operate/inspect/log.js";
import { sodiumOf } from "../../settings/config.js";
import { withReason, type ProfileOptions, type ReasonOptions } from "../options.js";
import { harmless, paint } from "../output.js";

export type OpeningOptions = ProfileOptions & ReasonOptions & { readonly open?: true };

export const withOpening = (command: Command): Command =>
  withReason(command.option("--open", "open sealed content with its keys: a privileged read, which needs --reason"));

/** What an inspection is opened with. */
export const openingOf = ({ open }: OpeningOptions, environment: NodeJS.ProcessEnv) =>
  open === true ? { open: sodiumOf(environment) } : {};

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

/**
 * What people wrote, by its length alone unless it was opened, sealed or not. It is first on the line, which may be cut
 * before its end.
 */
const brief = (event: ShownEvent): unknown => {
  if (!isObject(event.data)) return event.data;
  const { profile, changes } = event.data;
  const parts = [event.data, profile, changes].filter(isObject);
  const texts = Object.entries(Object.assign({}, ...parts.map(textsIn)) as Texts);
  return {
    ...Object.fromEntries(texts.map(([field, text]) => [field, textOf(event, field, text)])),
    ...withoutTexts(event.data),
    ...(isObject(profile) ? { profile: withoutTexts(profile) } : {}),
    ...(isObject(changes) ? { changes: withoutTexts(changes) } : {}),
  };
};

type Texts = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Texts => typeof value === "object" && value !== null;

/** `null` takes a name away: there is nothing to hide. */
const isText = ([field, value]: readonly [string, unknown]): boolean =>
  (textFields as readonly string[]).includes(field) && value !== null;
const textsIn = (part: Texts): Texts => Object.fromEntries(Object.entries(part).filter(isText));
const withoutTexts = (part: Texts): Texts => Object.fromEntries(Object.entries(part).filter((entry) => !isText(entry)));

/** What was opened is undefined when it was not asked for or is damaged, null when the key is gone. */
const textOf = ({ opened, damaged }: ShownEvent, field: string, stored: unknown): unknown => {
  const text = field === "content" || !isObject(opened) ? opened : opened[field];
  if (text === null) return "(its key is gone)";
  if (text !== undefined) return text;
  if (damaged !== undefined) return "(damaged: does not open)";
  const { alg, data }: Texts = isObject(stored) ? stored : { alg: "none", data: stored };
  const { length } = typeof data === "string" ? data : JSON.stringify(stored);
  return alg === "none" || alg === undefined ? `(not sealed, ${length} characters)` : `(sealed, ${length} characters)`;
};
