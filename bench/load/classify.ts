import { numberDigits } from "./frames.js";

/** What a frame is to the load generator. `echo` is what a floor's server sent back: the generator's own frame. */
export type FrameKind = "message.ack" | "message.new" | "message.send" | "other";

const lead = Buffer.from('{"type":"');
const ack = Buffer.from('message.ack"');
const fresh = Buffer.from('message.new"');
const echoed = Buffer.from('message.send"');

const matches = (buffer: Buffer, at: number, needle: Buffer): boolean => {
  for (let i = 0; i < needle.length; i++) if (buffer[at + i] !== needle[i]) return false;
  return true;
};

/**
 * By its first bytes, for JSON that starts with its `type`, as Parley's does; any other order costs a parse and gives
 * the same answer.
 */
export const classify = (buffer: Buffer, start: number, end: number): FrameKind => {
  if (end - start < lead.length + ack.length || !matches(buffer, start, lead)) return parsedKind(buffer, start, end);
  const at = start + lead.length;
  if (matches(buffer, at, ack)) return "message.ack";
  if (matches(buffer, at, fresh)) return "message.new";
  if (matches(buffer, at, echoed)) return "message.send";
  return "other";
};

const parsedKind = (buffer: Buffer, start: number, end: number): FrameKind => {
  const { type } = JSON.parse(buffer.toString("utf8", start, end)) as { type?: unknown };
  return type === "message.ack" || type === "message.new" || type === "message.send" ? type : "other";
};

export type NumberFinder = (buffer: Buffer, start: number, end: number) => number;

/**
 * Finds the number that follows `prefix` in a frame; -1 when there is none. Frames of a kind look alike, so the place of
 * the last hit is tried first and the frame is searched only when it moved.
 */
export const createNumberFinder = (prefix: string): NumberFinder => {
  const needle = Buffer.from(prefix);
  let hint = 0;

  const locate = (buffer: Buffer, start: number, end: number): number => {
    if (start + hint + needle.length <= end && matches(buffer, start + hint, needle)) return start + hint;
    const found = buffer.subarray(start, end).indexOf(needle);
    if (found >= 0) hint = found;
    return found < 0 ? -1 : start + found;
  };

  return (buffer, start, end) => {
    const at = locate(buffer, start, end);
    if (at < 0) return -1;
    let number = 0;
    for (let i = at + needle.length; i < at + needle.length + numberDigits; i++) {
      const digit = (buffer[i] ?? 0) - 48;
      if (i >= end || digit < 0 || digit > 9) return -1;
      number = number * 10 + digit;
    }
    return number;
  };
};
