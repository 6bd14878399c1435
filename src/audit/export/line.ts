import { asPosition, asRevision, type RecordedEvent } from "../../domain/kernel/stream.js";
import { lineOf } from "../canonical.js";

const text = String.raw`"(?:[^"\\]|\\.)*"`;
const headPattern = new RegExp(
  String.raw`^\{"position":(\d+),"stream":(${text}),"revision":(\d+),"type":(${text}),"id":(${text}),"data(Text)?":`,
);
const metadataPattern = /^,"metadata(Text)?":/;

/**
 * The event in a line of an export (`lineOf`), with the texts as they were stored. Undefined for any other line: one that
 * says the same in other characters would have another hash.
 */
export const eventIn = (line: string): RecordedEvent | undefined => {
  const head = headPattern.exec(line);
  if (head === null) return undefined;
  const [start, position, stream, revision, type, id, dataIsText] = head;
  const end = valueEnd(line, start.length);
  const middle = metadataPattern.exec(line.slice(end, end + 20));
  if (middle === null) return undefined;
  try {
    const event = {
      position: asPosition(Number(position)),
      stream: JSON.parse(stream ?? "") as string,
      revision: asRevision(Number(revision)),
      type: JSON.parse(type ?? "") as string,
      id: JSON.parse(id ?? "") as string,
      data: textOf(line.slice(start.length, end), dataIsText !== undefined),
      meta: textOf(line.slice(end + middle[0].length, -1), middle[1] !== undefined),
    };
    return lineOf(event) === line ? event : undefined;
  } catch {
    return undefined; // a text that is no JSON
  }
};

const textOf = (stored: string, isText: boolean): string => {
  if (!isText) return stored;
  const text: unknown = JSON.parse(stored);
  if (typeof text !== "string") throw new TypeError("no text");
  return text;
};

/** Where the JSON value that begins at `from` ends; the line's length where it does not. */
const valueEnd = (line: string, from: number): number => {
  let depth = 0;
  for (let at = from; at < line.length; at += 1) {
    const char = line.charAt(at);
    if (char === '"') at = stringEnd(line, at);
    else if (char === "{" || char === "[") depth += 1;
    else if ((char === "}" || char === "]") && --depth === 0) return at + 1;
    else if (char === "," && depth === 0) return at;
  }
  return line.length;
};

/** The closing quote of the string that begins at `from`. */
const stringEnd = (line: string, from: number): number => {
  for (let quote = line.indexOf('"', from + 1); quote !== -1; quote = line.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (line[quote - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return quote;
  }
  return line.length;
};
