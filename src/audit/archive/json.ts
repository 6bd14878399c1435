import type { ArchiveRecord } from "./record.js";

/** NDJSON: a record a line, as it is. */
export const jsonRow = (record: ArchiveRecord): string => `${JSON.stringify(record)}\n`;
