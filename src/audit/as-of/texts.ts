import type { UserId } from "../../domain/kernel/ids.js";
import type { Sealed } from "../../domain/kernel/sealed.js";
import type { OpenContent } from "../../projections/ports/open-content.js";

/** A text of then: in the clear where it was opened, null where its key is gone, or its author erased; what was not asked for is `sealed`. */
export type TextThen = { readonly text: string | null } | { readonly sealed: true };

/** Without `open` nothing is read that people wrote, sealed or not. */
export const textThen = async (
  open: OpenContent | undefined,
  context: string,
  sealed: Sealed,
  author: UserId | undefined,
): Promise<TextThen> => (open === undefined ? { sealed: true } : { text: await open(context, sealed, author) });
