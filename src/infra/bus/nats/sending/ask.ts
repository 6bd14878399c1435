import { ErrorCode, NatsError } from "nats";
import type { Nats } from "../../../engines/nats.js";
import { decodeReply } from "../subjects.js";

/** What became of one request. `silent`: unknown, it may have been taken. `absent`: no process serves that gateway's subject. */
export type Answer =
  | { readonly kind: "taken"; readonly upTo: number }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "absent" }
  | { readonly kind: "silent" };

/** Asks a gateway once, for at most `answerMs`; never rejects. */
export type Ask = (subject: string, data: Uint8Array) => Promise<Answer>;

export const createAsk =
  (nats: Nats, answerMs: number): Ask =>
  async (subject, data) => {
    const connection = nats.current();
    // The client would say nothing, lose it and wait for an answer.
    if (connection === undefined || !nats.connected()) return { kind: "silent" };
    try {
      const reply = decodeReply((await connection.request(subject, data, { timeout: answerMs })).data);
      if (reply === undefined) return { kind: "refused", reason: "a reply that cannot be read" };
      return "taken" in reply ? { kind: "taken", upTo: reply.taken } : { kind: "refused", reason: reply.refused };
    } catch (error) {
      const code = error instanceof NatsError ? error.code : undefined;
      if (code === (ErrorCode.NoResponders as string)) return { kind: "absent" };
      if (code === (ErrorCode.MaxPayloadExceeded as string))
        return { kind: "refused", reason: "larger than the server allows" };
      return { kind: "silent" };
    }
  };
