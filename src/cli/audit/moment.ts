import { InvalidArgumentError } from "commander";
import type { Moment, MomentAsked } from "../../operate/as-of/moment.js";
import { time } from "../options.js";
import { grouped } from "../output.js";

/** For commander: a position, a time, or `now`. A number alone is a position; a time has dashes. */
export const moment = (value: string): MomentAsked => {
  if (value === "now") return "now";
  if (/^\d{1,15}$/.test(value)) return { position: Number(value) };
  try {
    return { at: time(value) };
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new InvalidArgumentError(
      "It must be a position such as 4711, a time in ISO 8601 such as 2026-11-22T10:00Z, or now.",
    );
  }
};

/** How a time becomes a moment, for the help of every command that takes one. */
export const momentHelp = `A moment is a position of the log: everything up to it has happened, nothing after it. TIME (ISO 8601, UTC unless it
says) means the last event in the log's order whose own time is at or before it. Clocks of several processes differ, so a
few events before it may say a later time: they count, since they were in the log before it. (Where a range ends at a time,
as of audit export, it ends before the first event that says it or later.)`;

export const momentText = ({ position, last, head }: Moment): string => {
  const at = last?.at === undefined ? "" : `, ${new Date(last.at).toISOString()}`;
  return last === undefined
    ? "before the first event of the log"
    : `position ${grouped(position)} of ${grouped(head)}${at} (${last.type}, ${last.stream}@${last.revision})`;
};
