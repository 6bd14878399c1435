import { existsSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import type { CaptureEnd, CaptureHead } from "../../projections/replay/capture-format.js";

/** The file is there already, and whatever it is is kept. */
export class CaptureRefused extends Error {
  constructor(path: string) {
    super(`${path} is there already: name another file with --capture, or delete this one if nobody needs it`);
    this.name = "CaptureRefused";
  }
}

/** @throws CaptureRefused */
export const refuseCaptured = (path: string): void => {
  if (existsSync(path)) throw new CaptureRefused(path);
};

const bufferBytes = 256 * 1024;

/**
 * A capture on its way into a file, mode 600. It has its name once it is complete; until then it is `PATH.part`, which the
 * next one begins anew.
 * @throws (rejects) CaptureRefused
 */
export const createCaptureFile = async (path: string, head: CaptureHead) => {
  refuseCaptured(path);
  const part = `${path}.part`;
  const file = await open(part, "w", 0o600);
  let buffered = [JSON.stringify(head)];
  let bytes = 0;
  let effects = 0;
  const flush = async (): Promise<void> => {
    const lines = buffered;
    buffered = [];
    bytes = 0;
    if (lines.length > 0) await file.appendFile(`${lines.join("\n")}\n`);
  };
  return {
    add: async (lines: readonly string[]): Promise<void> => {
      for (const line of lines) {
        buffered.push(line);
        bytes += line.length;
      }
      effects += lines.length;
      if (bytes > bufferBytes) await flush();
    },
    /** @returns how many effects it has */
    finish: async (): Promise<number> => {
      buffered.push(JSON.stringify({ kind: "end", effects } satisfies CaptureEnd));
      await flush();
      await file.sync();
      await rename(part, path);
      return effects;
    },
    close: () => file.close(),
  };
};
