import { defineConfig } from "vitest/config";

const slow = [
  "test/acceptance/**/*.test.ts",
  "test/crash/**/*.test.ts",
  "test/cli/**/*.test.ts",
  "test/infra/event-log/*.test.ts",
  "test/infra/view-store/*.test.ts",
  "test/infra/work-queue/*.test.ts",
  "test/gateway/gateway.test.ts",
  "test/gateway/transport*.test.ts",
  "test/gateway/outbox.test.ts",
  "test/projections/delivery*.test.ts",
  "test/client/client.test.ts",
  "test/commands/for-ever.test.ts",
];

const stack = ["test/stack/**/*.test.ts"];

/** `fast`: what `npm run check` runs. `slow`: whole servers, sockets, kills, and suites that open many real files. `stack`: on real servers. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: [...slow, ...stack],
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
      {
        test: {
          name: "stack",
          include: stack,
          testTimeout: 180_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
