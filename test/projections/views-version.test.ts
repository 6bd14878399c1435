import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { DomainEvent } from "../../src/domain/catalogue.js";
import { asPosition, asRevision, streamOf } from "../../src/domain/kernel/stream.js";
import { schema } from "../../src/infra/view-store/sqlite/schema.js";
import { project, views, viewsVersion } from "../../src/projections/registry.js";
import { goldenHistory } from "../golden/history.js";
import { conversationId } from "../kit/conversations.js";

/**
 * What the views hold may only change together with their version: an older file would be taken for today's. When this
 * fails: raise `viewsVersion` in `registry.ts` and add the line that the failure shows to `versions.json`. A line that is
 * there is never edited. MongoDB's views have versions of their own (`mongodb/documents.ts`): do rows of before mean
 * something else now, or lie elsewhere?
 */
it("the version of the views is raised when what they hold changes", () => {
  const path = new URL("../golden/views/versions.json", import.meta.url);
  const versions = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
  const changes = (stream: string, events: readonly DomainEvent[]) =>
    events.map((event, revision) =>
      project(event, { stream, revision: asRevision(revision), position: asPosition(revision + 1) }),
    );
  const written = [
    changes(streamOf.conversation(conversationId), goldenHistory.conversation),
    changes(streamOf.receipts(conversationId), goldenHistory.receipts),
    changes(streamOf.user("alice"), goldenHistory.user),
  ];
  const digest = createHash("sha256")
    .update(JSON.stringify([views, schema, written]))
    .digest("hex");
  expect({ [viewsVersion]: versions[viewsVersion] }).toEqual({ [viewsVersion]: digest });
  expect(new Set(Object.values(versions)).size).toBe(Object.keys(versions).length);
});
