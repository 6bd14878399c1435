import { expect, it } from "vitest";
import { stopped } from "../../../src/cli/failure.js";
import { opening } from "../../../src/infra/engines/sqlite-file.js";

const full = new Error("database or disk is full");
const fails = (error: Error) => () =>
  opening("/data/log.db", "the log", () => {
    throw error;
  });

it("a full disk asks for room at its path, never for a backup", () => {
  expect(fails(full)).toThrow(/^\/data\/log\.db .*disk is full\. Make room there/);
  expect(fails(new Error("not a database"))).toThrow(/Restore it from a backup/);
  const said = stopped(new Error(`the log has stopped: ${full.message}`), "/data");
  expect(said).toBe(
    "the log has stopped: database or disk is full: /data. Nothing acknowledged is lost; make room there, then start Parley again.",
  );
  expect(stopped(new Error("the log's thread ended"), "/data")).not.toContain("room");
});
