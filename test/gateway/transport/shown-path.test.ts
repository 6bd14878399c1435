import { describe, expect, it } from "vitest";
import { shownPath } from "../../../src/gateway/transport/shown-path.js";

describe("a path in the log", () => {
  it.each([
    ["/api/v1/conversations/g_1/messages", "/api/v1/conversations/g_1/messages"],
    ["/ws?token=s3cr3t", "/ws"],
    ["/a?b?token=s3cr3t\nc", "/a"],
    ["/hooks/in/s3cr3t", "/hooks/in/***"],
    ["/hooks/in/7/s3cr3t", "/hooks/in/***"],
    ["/HOOKS/in/s3cr3t?x=s3cr3t", "/HOOKS/in/***"],
    ["//hooks//in/s3cr3t", "//hooks//in/***"],
    ["/hooks%2Fin%2fs3cr3t", "/hooks%2Fin%2f***"],
    ["/hooks/in", "/hooks/in"],
    ["/hooks/out/1", "/hooks/out/1"],
  ])("has nothing that may be a token: %j", (path, shown) => {
    expect(shownPath(path)).toBe(shown);
  });
});
