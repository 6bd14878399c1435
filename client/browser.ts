import { platformWith, type Platform, type WebSocketClass } from "./platform.js";

/**
 * The platform of a browser, windows and workers alike: its WebSocket (the token travels as a subprotocol, the only way
 * that browsers have), `fetch` and timers. The server has to allow the page's origin: PARLEY_ALLOWED_ORIGINS.
 * @throws Error where there is no WebSocket.
 */
export function browserPlatform(): Platform {
  const WebSocketOf = (globalThis as { readonly WebSocket?: WebSocketClass }).WebSocket;
  if (WebSocketOf === undefined) throw new Error("This runtime has no WebSocket: it is not a browser");
  return { ...platformWith(WebSocketOf), uuid: randomUuid };
}

/** `crypto.randomUUID` is missing on insecure origins, such as a phone's view of a development machine. */
export function randomUuid(): string {
  const made = (crypto as { readonly randomUUID?: () => string }).randomUUID?.();
  if (made !== undefined) return made;
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40; // version 4
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80; // the variant of RFC 9562
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
