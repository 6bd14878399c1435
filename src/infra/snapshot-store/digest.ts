import { createHash } from "node:crypto";

/** Tells whether bytes are the same, not who wrote them: the fastest digest that Node has everywhere. */
export const digestOf = (data: Uint8Array | string): Buffer => createHash("sha1").update(data).digest();
