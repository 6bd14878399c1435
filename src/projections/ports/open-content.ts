import type { UserId } from "../../domain/kernel/ids.js";
import type { Sealed } from "../../domain/kernel/sealed.js";

/**
 * Opens what was sealed as `context`: a message's content as its id, another text as `sealedAs` says. Null when its key is
 * gone. `author`: whose it is, and with whose erasure it ends; undefined for what is a conversation's.
 */
export type OpenContent = (context: string, sealed: Sealed, author: UserId | undefined) => Promise<string | null>;
