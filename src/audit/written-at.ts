import type { RecordedEvent } from "../domain/kernel/stream.js";

/** What an event of whatever type and version says of its time, in Unix milliseconds; undefined for one that does not. */
export const writtenAt = ({ meta }: Pick<RecordedEvent, "meta">): number | undefined => {
  try {
    const { at } = JSON.parse(meta) as { readonly at?: unknown };
    return typeof at === "number" ? at : undefined;
  } catch {
    return undefined;
  }
};
