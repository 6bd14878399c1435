import { InvalidArgumentError, type Command } from "commander";
import type { Selection } from "../../operate/transfer/export.js";
import { asPosition } from "../../domain/kernel/stream.js";
import { BadConfig } from "../../settings/config.js";
import { someText, time } from "../options.js";

export type Bound = { readonly position: number } | { readonly at: number };

/** A position, or a time in ISO 8601. */
export const bound = (value: string): Bound => {
  if (/^\d{1,15}$/.test(value)) return { position: Number(value) };
  try {
    return { at: time(value) };
  } catch {
    throw new InvalidArgumentError("It must be a position, such as 42, or a time, such as 2026-11-22T10:00Z.");
  }
};

export type SelectionOptions = {
  readonly stream?: string;
  readonly user?: string;
  readonly conversation?: string;
  readonly type?: string;
  readonly from?: Bound;
  readonly to?: Bound;
};

export const withSelection = (command: Command): Command =>
  command
    .option("--stream <name>", "only this stream, such as conversation-g_… or user-alice", someText)
    .option("--user <id>", "only the user's own stream, and whole the conversations they ever were in", someText)
    .option("--conversation <id>", "only this conversation and its receipts", someText)
    .option("--type <type>", "only events of this type, such as MessageSent", someText)
    .option("--from <position|time>", "from here on, inclusive", bound)
    .option("--to <position|time>", "up to here: a position inclusive, a time exclusive", bound);

/** @throws BadConfig where nothing can be between the bounds */
export const selectionOf = ({ from, to, stream, user, conversation, type }: SelectionOptions): Selection => {
  refuseBackwards(from, to);
  return {
    ...(stream === undefined ? {} : { stream }),
    ...(user === undefined ? {} : { user }),
    ...(conversation === undefined ? {} : { conversation }),
    ...(type === undefined ? {} : { type }),
    ...(from === undefined ? {} : "at" in from ? { since: from.at } : { from: asPosition(from.position) }),
    ...(to === undefined ? {} : "at" in to ? { until: to.at } : { to: asPosition(to.position) }),
  };
};

/** A time and a position are not compared: the log alone knows which comes first. */
const refuseBackwards = (from: Bound | undefined, to: Bound | undefined): void => {
  if (from === undefined || to === undefined) return;
  const isBackwards = "at" in from ? "at" in to && from.at >= to.at : "position" in to && from.position > to.position;
  if (isBackwards) throw new BadConfig(["--from is not before --to: nothing is between them"]);
};
