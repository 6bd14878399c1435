import { WebSocket } from "ws";
import { createClient, type Client, type ClientOptions, type ConversationState } from "../../client/index.js";
import { nodePlatform } from "../../client/node.js";
import type { Door } from "./server.js";
import { heldToProtocol } from "./held-to-protocol.js";

/** A device of a user on the client library, connected. */
export const connectDevice = async (
  server: Door,
  userId: string,
  deviceId: string,
  options: Partial<ClientOptions> = {},
): Promise<Client> => {
  const client = createClient({
    url: server.url(`${userId}/${deviceId}`),
    platform: heldToProtocol(nodePlatform(WebSocket)),
    token: () => server.token(userId, deviceId),
    backoff: { delayMsBase: 50, delayMsMax: 500 },
    ...options,
  });
  client.connect();
  await eventually(() => client.connection().kind === "online", `${userId}/${deviceId} online`);
  return client;
};

/**
 * Until the condition holds. For what a client sees, whose end nobody announces; the time is a bound for failing tests
 * and no test passes because of it.
 */
export const eventually = async (
  condition: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 60_000,
): Promise<void> => {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

export const conversationOf = (client: Client, conversationId: string): ConversationState => {
  const conversation = client.conversations.get(conversationId);
  if (conversation === undefined) throw new Error(`the client does not know ${conversationId}`);
  return conversation;
};

export const textsOf = (client: Client, conversationId: string): readonly (string | undefined)[] =>
  (client.conversations.get(conversationId)?.messages ?? []).map(({ content }) =>
    content?.type === "text" ? content.text : undefined,
  );

export const text = (value: string) => ({ type: "text", text: value }) as const;
