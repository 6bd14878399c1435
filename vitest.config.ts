import { defineConfig } from "vitest/config";

const slow = [
  "test/acceptance/**/*.test.ts",
  "test/bench/pairs.test.ts",
  "test/crash/**/*.test.ts",
  "test/cli/**/*.test.ts",
  "test/eventstore-server/*.test.ts",
  "test/infra/event-log/**/*.test.ts",
  "test/infra/view-store/**/*.test.ts",
  "test/infra/work-queue/**/*.test.ts",
  "test/infra/auth/authenticator.test.ts",
  "test/infra/engines/wal.test.ts",
  "test/operate/{as-of,explain,transfer,backup}/*.test.ts",
  "test/operate/doctor/{tls,token-secret}.test.ts",
  "test/gateway/gateway.test.ts",
  "test/gateway/transport/{grammar,http,jwks,transport}.test.ts",
  "test/gateway/connections/{memory,outbox}.test.ts",
  "test/gateway/ephemeral/typing.test.ts",
  "test/projections/delivery/{again,delivery,erasures,order,share}.test.ts",
  "test/client/{client,package}.test.ts",
  "test/projections/projector.test.ts",
  "test/commands/{for-ever,rivals,shared-log}.test.ts",
];

/** A bound for what fails; a machine that is busy takes longer than the second that vitest gives. */
const expect = { poll: { timeout: 60_000 } };

const stack = ["test/stack/**/*.test.ts"];

/** Suites of the embedded profile that run on two gateways and two projectors as well; `PARLEY_ACCEPTANCE=all`: the long ones too. */
const onBoth = ["bad-input", "concurrency", "messages", "people", "rate-limit", "receipts"];
const onBothLong = ["permissions"];
const both = [...onBoth, ...(process.env.PARLEY_ACCEPTANCE === "all" ? onBothLong : [])];

/**
 * `fast`: what `npm run check` runs, on all cores. Its suites share processes, which halves what their imports cost: none
 * leaves anything there for the next. `slow`, one suite after the other, each in a process of its own: whole servers,
 * sockets, kills, rivals on one log, waits for what does not answer, and suites that open many real files or large ones.
 * `stack`: on real servers.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          exclude: [...slow, ...stack],
          setupFiles: "test/kit/leaves-nothing.ts",
          isolate: false,
          maxWorkers: "100%",
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
