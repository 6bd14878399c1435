/**
 * Every call of PROTOCOL §6, as `METHOD /path` under `/api/v1`; `{names}` are parameters, percent-encoded. The only list
 * of them: the gateway's table covers it, and this library takes its paths from it.
 */
export const routes = [
  "POST /conversations",
  "GET /conversations",
  "GET /conversations/{conversationId}",
  "PATCH /conversations/{conversationId}",
  "PUT /conversations/{conversationId}/preferences",
  "GET /conversations/{conversationId}/members",
  "POST /conversations/{conversationId}/members",
  "DELETE /conversations/{conversationId}/members/{userId}",
  "PATCH /conversations/{conversationId}/members/{userId}",
  "GET /conversations/{conversationId}/messages",
  "GET /conversations/{conversationId}/messages/{messageId}/receipts",
  "POST /groups",
  "POST /sync",
  "GET /me",
  "PUT /me",
  "GET /me/devices",
  "DELETE /me/devices/{deviceId}",
  "PUT /me/blocks/{userId}",
  "DELETE /me/blocks/{userId}",
  "GET /users/{userId}",
  "GET /users/{userId}/presence",
  "GET /users/{userId}/keys",
  "POST /media",
  "GET /media/{mediaId}",
  "GET /media/{mediaId}/thumbnail",
  "GET /media/{mediaId}/upload",
  "POST /media/{mediaId}/complete",
  "PUT /devices/{deviceId}/push-subscription",
  "DELETE /devices/{deviceId}/push-subscription",
  "PUT /devices/{deviceId}/keys",
  "GET /push/vapid-public-key",
] as const;

export type RouteName = (typeof routes)[number];
export type Method = RouteName extends `${infer M} ${string}` ? M : never;
