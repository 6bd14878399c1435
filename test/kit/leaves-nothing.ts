/** The fast suites share their processes, and the modules in them: none leaves faked timers or other settings there for the next. */
import { afterAll, expect, vi } from "vitest";

const settings = () => Object.entries(process.env).filter(([name]) => name.startsWith("PARLEY_"));
const before = settings();
afterAll(() => {
  const isFaked = vi.isFakeTimers();
  vi.useRealTimers();
  expect(isFaked, "timers are faked").toBe(false);
  expect(settings()).toEqual(before);
});
