import { firstRevision, streamId, streamOf, type Position, type StreamName } from "../../domain/kernel/stream.js";
import { pageEvents } from "../pages.js";
import type { LogToRead } from "../target.js";

/** What was asked about is not there, or was not there then. The message names what is. */
export class NotInLog extends Error {
  constructor(message: string) {
    super(message);
    this.name = "NotInLog";
  }
}

/** @throws (rejects) NotInLog for a stream without an event by then */
export const requireStream = async (
  log: LogToRead,
  kind: "conversation" | "user",
  id: string,
  upTo: Position,
): Promise<void> => {
  const [first] = await log.readStream(streamOf[kind](id), firstRevision, 1);
  if (first === undefined) {
    const there = await newestOf(log, `${kind}-`);
    const known = there.length === 0 ? `no ${kind} at all` : `among others ${there.join(", ")}`;
    throw new NotInLog(`There is no ${kind} ${id} in this log, which has ${known}`);
  }
  if (first.position > upTo)
    throw new NotInLog(`There was no ${kind} ${id} yet at position ${upTo}: its first event is at ${first.position}`);
};

const pagesMax = 10;
const namedMax = 5;

/** Ids of the newest events: for a hint, so not farther back than some pages. */
const newestOf = async (log: LogToRead, category: string): Promise<readonly string[]> => {
  const found = new Set<StreamName>();
  let before: Position | undefined;
  for (let pages = 0; pages < pagesMax && found.size < namedMax; pages += 1) {
    const page = await log.readAll(before, pageEvents, "backwards");
    for (const { stream } of page) if (stream.startsWith(category) && found.size < namedMax) found.add(stream);
    before = page.at(-1)?.position;
    if (page.length < pageEvents) break;
  }
  return [...found].map(streamId);
};
