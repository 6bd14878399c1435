import { WebSocket } from "ws";
import { nodePlatform } from "../../client/node.js";

/** What came in over one connection: every text between guillemets, which is how the load writes its messages. */
type Tapped = { readonly url: string; readonly openedAt: number; readonly texts: Set<string> };

const refusal = '{"type":"error"';
const marked = /«[^»]*»/g;
export const textsIn = (served: string): readonly string[] => served.match(marked) ?? [];

/** A platform whose sockets remember what they received, connection by connection. */
export const createTap = () => {
  const connections: Tapped[] = [];
  const refusals = new Map<string, number>();
  class TappedSocket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      const tapped: Tapped = { url, openedAt: performance.now(), texts: new Set() };
      connections.push(tapped);
      this.on("message", (data: Buffer) => {
        const received = data.toString();
        for (const text of textsIn(received)) tapped.texts.add(text);
        if (!received.startsWith(refusal)) return;
        const { payload } = JSON.parse(received) as { readonly payload: { readonly code: string } };
        refusals.set(payload.code, (refusals.get(payload.code) ?? 0) + 1);
      });
    }
  }
  return {
    platform: nodePlatform(TappedSocket),
    /** Connections that were opened after `time` (of performance.now) and yet received the text. */
    receivedAfter: (time: number, text: string): number =>
      connections.filter(({ openedAt, texts }) => openedAt > time && texts.has(text)).length,
    /** Error frames with this code, on all connections. */
    told: (code: string): number => refusals.get(code) ?? 0,
    connections: (): number => connections.length,
    /** Connections that were opened after `time` to a server, which is named by its http address. */
    openedAfter: (time: number, server: string): number =>
      connections.filter(({ url, openedAt }) => openedAt > time && url.startsWith(server.replace(/^http/, "ws")))
        .length,
  };
};
export type Tap = ReturnType<typeof createTap>;
