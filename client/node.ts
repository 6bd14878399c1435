import { platformWith, type Platform, type WebSocketClass } from "./platform.js";

/**
 * The platform of Node. Node 22 has a WebSocket of its own; on Node 20 give the one of the `ws` package:
 * `nodePlatform(WebSocket)` after `import { WebSocket } from "ws"`.
 * @throws Error without either.
 */
export function nodePlatform(WebSocketOf?: WebSocketClass): Platform {
  const own: { readonly WebSocket?: WebSocketClass } = globalThis;
  const chosen = WebSocketOf ?? own.WebSocket;
  if (chosen === undefined) {
    throw new Error('This Node has no WebSocket: npm install ws, then nodePlatform((await import("ws")).WebSocket)');
  }
  return platformWith(chosen);
}
