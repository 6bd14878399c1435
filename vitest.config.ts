import { defineConfig } from "vitest/config";

/** `fast`: pure and in-process suites, part of `npm run check`. `slow`: whole servers, sockets and kills. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: ["test/acceptance/**", "test/crash/**"],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "slow",
          include: ["test/acceptance/**/*.test.ts", "test/crash/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
