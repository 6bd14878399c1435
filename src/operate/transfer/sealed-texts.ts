import { LRUCache } from "lru-cache";
import { sealedFieldsOf } from "../../commands/sealing/sealed-fields.js";
import { noPosition } from "../../domain/kernel/stream.js";
import { entriesMax } from "../../lib/lru.js";
import { NotThere } from "../inspect/stores.js";
import { openToRead, type OpenedToRead } from "../open.js";
import { pagesOf } from "../pages.js";
import type { KeysToRead, Target } from "../target.js";

export type SealedTexts = {
  readonly sealed: number;
  /** Those that nobody can read here: their key was destroyed, or was never brought. */
  readonly withoutKey: number;
};

/** A month of ten thousand users' messages asks for each key once. */
const keysRemembered = 20_000;

/** Looks through the whole log for texts whose keys are not there. Nothing is opened. */
export const countSealedTexts = async (
  target: Target,
  onProgress: (done: number, of: number) => void = () => undefined,
): Promise<SealedTexts> => {
  const opened = await openToRead(target);
  try {
    const keys = await keysOf(opened);
    const known = new LRUCache<string, boolean>(entriesMax(keysRemembered));
    const isThere = async (keyId: string): Promise<boolean> => {
      const remembered = known.get(keyId);
      if (remembered !== undefined) return remembered;
      const found = (await keys?.find(keyId)) !== undefined;
      known.set(keyId, found);
      return found;
    };
    let sealed = 0;
    let withoutKey = 0;
    const head = await opened.log.head();
    for await (const page of pagesOf(opened.log, noPosition, head)) {
      for (const event of page)
        for (const { sealed: text } of sealedFieldsOf(event)) {
          if (text.alg === "none") continue;
          sealed += 1;
          if (!(await isThere(text.keyId))) withoutKey += 1;
        }
      onProgress(page.at(-1)?.position ?? head, head);
    }
    return { sealed, withoutKey };
  } finally {
    await opened.close();
  }
};

/** A log that was only just imported may have no keys at all. */
const keysOf = async ({ keys }: OpenedToRead): Promise<KeysToRead | undefined> => {
  try {
    return await keys();
  } catch (error) {
    if (error instanceof NotThere) return undefined;
    throw error;
  }
};
