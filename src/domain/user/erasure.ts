import type { UserId } from "../kernel/ids.js";
import type { StreamReader } from "../kernel/stream-pages.js";
import { noRevision, streamOf, type RecordedEvent } from "../kernel/stream.js";

/** The event that says that a user was erased: the last one of their stream. Undefined for all others. */
export const erasureOf = async (log: StreamReader, userId: UserId): Promise<RecordedEvent | undefined> => {
  const [newest] = await log.readStream(streamOf.user(userId), noRevision, 1, "backwards");
  return newest?.type === "UserErased" ? newest : undefined;
};
