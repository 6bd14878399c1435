import type { Handler } from "./call.js";
import { changeGroup, changeMe, changePreferences, changeRole, removeDevice } from "./changes.js";
import { addMembers, inbox, removeMember, startDirect, startGroup, summary } from "./conversations.js";
import { devices, history, me, members, receipts, sync, user } from "./reads.js";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Route = {
  readonly method: Method;
  readonly path: string;
  readonly handler: Handler;
  /** Changes nothing though it has a body. */
  readonly reads?: true;
};

/** PROTOCOL §6, as far as it is built. `{names}` are the handlers' `params`. */
export const routes: readonly Route[] = [
  { method: "POST", path: "/conversations", handler: startDirect },
  { method: "POST", path: "/groups", handler: startGroup },
  { method: "GET", path: "/conversations", handler: inbox },
  { method: "GET", path: "/conversations/{conversationId}", handler: summary },
  { method: "PATCH", path: "/conversations/{conversationId}", handler: changeGroup },
  { method: "PUT", path: "/conversations/{conversationId}/preferences", handler: changePreferences },
  { method: "GET", path: "/conversations/{conversationId}/members", handler: members },
  { method: "POST", path: "/conversations/{conversationId}/members", handler: addMembers },
  { method: "DELETE", path: "/conversations/{conversationId}/members/{userId}", handler: removeMember },
  { method: "PATCH", path: "/conversations/{conversationId}/members/{userId}", handler: changeRole },
  { method: "GET", path: "/conversations/{conversationId}/messages", handler: history },
  { method: "GET", path: "/conversations/{conversationId}/messages/{messageId}/receipts", handler: receipts },
  { method: "POST", path: "/sync", handler: sync, reads: true },
  { method: "GET", path: "/me", handler: me },
  { method: "PUT", path: "/me", handler: changeMe },
  { method: "GET", path: "/me/devices", handler: devices },
  { method: "DELETE", path: "/me/devices/{deviceId}", handler: removeDevice },
  { method: "GET", path: "/users/{userId}", handler: user },
];
