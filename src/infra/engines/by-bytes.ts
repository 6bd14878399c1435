/**
 * The order of strings in SQLite and MongoDB: by their UTF-8 bytes. JavaScript compares UTF-16 units, which puts what lies
 * beyond U+FFFF before U+E000 to U+FFFF; of two strings of ASCII it says the same.
 */
export const byBytes = (a: string, b: string): number => (a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b)));
