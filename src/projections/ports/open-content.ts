import type { Sealed } from "../../domain/kernel/sealed.js";

/** Opens what was sealed as `context`: a message's content as its id, another text as `sealedAs` says. Null when its key is gone. */
export type OpenContent = (context: string, sealed: Sealed) => Promise<string | null>;
