import { defineConfig } from "vitest/config";

const slow = [
  "test/acceptance/**/*.test.ts",
  "test/crash/**/*.test.ts",
  "test/cli/**/*.test.ts",
  "test/eventstore-server/*.test.ts",
  "test/infra/event-log/**/*.test.ts",
  "test/infra/view-store/**/*.test.ts",
  "test/infra/work-queue/**/*.test.ts",
  "test/gateway/gateway.test.ts",
  "test/gateway/transport/{grammar,http,jwks,transport}.test.ts",
  "test/gateway/connections/outbox.test.ts",
  "test/gateway/ephemeral/typing.test.ts",
  "test/projections/delivery/{again,delivery,order,share}.test.ts",
  "test/client/{client,package}.test.ts",
  "test/commands/for-ever.test.ts",
];

/** A bound for what fails; a machine that is busy takes longer than the second that vitest gives. */
const expect = { poll: { timeout: 60_000 } };

const stack = ["test/stack/**/*.test.ts"];

/** Suites of the embedded profile that run on two gateways and two projectors as well; `PARLEY_ACCEPTANCE=all`: the long ones too. */
const onBoth = ["bad-input", "concurrency", "messages", "people", "rate-limit", "receipts"];
const onBothLong = ["permissions"];
const both = [...onBoth, ...(process.env.PARLEY_ACCEPTANCE === "all" ? onBothLong : [])];

/** `fast`: what `npm run check` runs. `slow`: whole servers, sockets, kills, and suites that open many real files. `stack`: on real servers. */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: [...slow, ...stack],
          testTimeout: 120_000,
          hookTimeout: 60_000,
          expect,
        },
      },
      {
        test: {
          name: "slow",
          include: slow,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          expect,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: "stack",
          include: [...stack, `test/acceptance/{${both.join(",")}}.test.ts`],
          env: { TEST_PLACE: "distributed" },
          testTimeout: 180_000,
          hookTimeout: 120_000,
          expect,
          fileParallelism: false,
        },
      },
    ],
  },
});
