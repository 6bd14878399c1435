import { WebSocket } from "ws";
import { createClient, type Client, type ClientOptions, type Platform } from "../../client/index.js";
import { nodePlatform } from "../../client/node.js";

/** The platform of tests, which tells how many of its timers run: a client without one does nothing more by itself. */
export function timedPlatform(): { readonly platform: Platform; readonly timers: () => number } {
  const real = nodePlatform(WebSocket);
  const running = new Set<object>();
  const startTimer: Platform["startTimer"] = (callback, delayMs) => {
    const timer = {};
    running.add(timer);
    const stop = real.startTimer(() => {
      running.delete(timer);
      callback();
    }, delayMs);
    return () => {
      running.delete(timer);
      stop();
    };
  };
  return { platform: { ...real, startTimer }, timers: () => running.size };
}

/** A client with short delays on a real socket, as a test wants it. */
export function testClient(url: string, more: Partial<ClientOptions> = {}): Client {
  return createClient({
    url,
    token: () => "good",
    platform: nodePlatform(WebSocket),
    backoff: { delayMsBase: 5, delayMsMax: 20 },
    requestTimeoutMs: 150,
    connectTimeoutMs: 15_000,
    ...more,
  });
}

/** Resolves when the condition holds after some event of the client: for a state, not for a time. */
export async function until(client: Client, condition: () => boolean): Promise<void> {
  if (condition()) return;
  await new Promise<void>((resolve) => {
    const names = ["connection", "message", "message.updated", "conversation", "member", "pending", "error"] as const;
    const removals: (() => void)[] = [];
    const check = (): void => {
      if (!condition()) return;
      for (const remove of removals) remove();
      resolve();
    };
    for (const name of names) removals.push(client.on(name, check));
  });
}

export const online = (client: Client): Promise<void> => until(client, () => client.connection().kind === "online");

export const texts = (client: Client, conversationId: string): string[] =>
  (client.conversations.get(conversationId)?.messages ?? []).map(({ content }) =>
    content?.type === "text" ? content.text : "",
  );
