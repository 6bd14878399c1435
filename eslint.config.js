import tseslint from "typescript-eslint";

const noTime =
  "A test waits for a position, an answer or a sentinel, never for time. `eventually` (test/kit/device.ts) waits for a state, `settled` (test/kit/turns.ts) for all that needs no more than promises; to prove an absence wait for what would come after it.";
const timers = ["setTimeout", "setInterval", "setImmediate"];

/** Tests that may use timers, since time is what they are about: none of them proves an absence by it. */
const filesThatUseTime = [
  // Kits: they wait for a state that nobody announces, and play servers and slow networks.
  "test/kit/**",
  "test/**/*-kit.ts",
  // What makes pauses, by a clock that the test sets.
  "test/lib/time.test.ts",
  // Load that goes on while servers are killed and paused at seeded moments, and engines that stay away for so long.
  "test/crash/{crash.test,outstanding.test,load}.ts",
  "test/stack/faults/{faults.test,jobs}.ts",
  "test/stack/chaos/{schedule,probes}.ts",
  "test/stack/deploy/rolling-restart.test.ts",
  // A subscriber that needs five milliseconds a batch, so that 20,000 events wait for it in another process.
  "test/stack/event-log/eventstoredb/faults.test.ts",
];

export default tseslint.config(
  { ignores: ["dist/", "client/dist/", "node_modules/", "data/", "coverage/"] },
  {
    files: ["**/*.ts"],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { allowDefaultCaseForExhaustiveSwitch: false, requireDefaultForNonUnion: false },
      ],
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // The domain is written with type aliases: unions and records compose, interfaces merge.
      "@typescript-eslint/consistent-type-definitions": ["error", "type"],
      eqeqeq: "error",
      "no-console": "error",
    },
  },
  {
    files: ["test/**"],
    ignores: filesThatUseTime,
    rules: {
      "no-restricted-globals": ["error", ...timers.map((name) => ({ name, message: noTime }))],
      "no-restricted-imports": [
        "error",
        {
          paths: ["timers", "timers/promises", "node:timers", "node:timers/promises"].map((name) => ({
            name,
            message: noTime,
          })),
        },
      ],
      "no-restricted-syntax": [
        "error",
        // `globalThis.setTimeout`, `Atomics.wait`, and a helper of another file that only waits.
        { selector: `MemberExpression[property.name=/^(${timers.join("|")})$/]`, message: noTime },
        { selector: "MemberExpression[object.name='Atomics'][property.name=/^wait/]", message: noTime },
        { selector: "ImportSpecifier[imported.name=/^(sleep|delay|pause)(Ms)?$/]", message: noTime },
      ],
    },
  },
  {
    files: ["src/cli/**", "bench/**"],
    rules: { "no-console": "off" },
  },
);
