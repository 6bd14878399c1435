import { defineConfig } from "vitest/config";

const slow = [
  "test/acceptance/**/*.test.ts",
  "test/crash/**/*.test.ts",
  "test/cli/**/*.test.ts",
  "test/commands/for-ever.test.ts",
];

/** `fast`: pure and in-process suites, part of `npm run check`. `slow`: whole servers, sockets and kills. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: slow,
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: "slow",
          include: slow,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
