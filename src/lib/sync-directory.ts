import { open } from "node:fs/promises";

/** A name that was given or taken away is on the disk only when its directory is. */
export const syncDirectory = async (path: string): Promise<void> => {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
};
