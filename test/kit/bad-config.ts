import { BadConfig } from "../../src/settings/config.js";

/** What is wrong with the settings that are read; none when they are taken. */
export const problemsIn = (read: () => unknown): readonly string[] => {
  try {
    read();
  } catch (error) {
    if (error instanceof BadConfig) return error.problems;
    throw error;
  }
  return [];
};
