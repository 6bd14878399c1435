import { expect, it } from "vitest";
import { nameIn, pathNames, segmentsOf } from "../../src/gateway/rest/path.js";
import type { Route } from "../../src/gateway/rest/route.js";
import { routes } from "../../src/gateway/rest/routes.js";

const fieldsOf = (codec: Route["body"]) =>
  codec?.fields.map(({ key, mandatory }) => (mandatory ? key : `${key}?`)).join(" ");

const described = (route: Route): string => {
  const query = route.query === undefined ? "" : ` ?${String(fieldsOf(route.query))}`;
  const body =
    route.body === undefined ? "" : ` { ${String(fieldsOf(route.body))} }${route.emptyBody ? " or none" : ""}`;
  return `${route.changes ? "!" : " "} ${route.method} ${route.path}${query}${body} → ${route.statuses.join(", ")}`;
};

it("routes say what a document of the interface says: fields, statuses, and which of them change something", () => {
  expect(routes.map(described).toSorted().join("\n")).toMatchInlineSnapshot(`
    "  GET /conversations ?limit? cursor? archived? → 200
      GET /conversations/{conversationId} → 200
      GET /conversations/{conversationId}/members ?limit? cursor? → 200
      GET /conversations/{conversationId}/messages ?limit? before? after? → 200
      GET /conversations/{conversationId}/messages/{messageId}/receipts ?limit? cursor? → 200
      GET /me → 200
      GET /me/devices → 200
      GET /users/{userId} → 200
      POST /sync { epoch? token? cursors? only? limit? next? } → 200
    ! DELETE /conversations/{conversationId}/members/{userId} → 204
    ! DELETE /me/devices/{deviceId} → 204
    ! PATCH /conversations/{conversationId} { name? description? settings? avatarMediaId? messageTtl? } or none → 200
    ! PATCH /conversations/{conversationId}/members/{userId} { role } → 200
    ! POST /conversations { type participantIds } → 201, 200
    ! POST /conversations/{conversationId}/members { userIds } → 200
    ! POST /groups { name participantIds description? settings? clientRequestId? } → 201, 200
    ! PUT /conversations/{conversationId}/preferences { pinned? archived? mutedUntil? } or none → 200
    ! PUT /me { displayName? avatarMediaId? privacy? } or none → 200"
  `);
});

it("every name in a path has a codec", () => {
  const names = routes.flatMap(({ path }) => segmentsOf(path).flatMap((segment) => nameIn(segment) ?? []));
  expect(new Set(names)).toEqual(new Set(Object.keys(pathNames)));
});
