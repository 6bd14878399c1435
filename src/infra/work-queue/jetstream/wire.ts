/** How jobs and dead letters look in JetStream: the payload is the body, the rest one header; and what is said about a delivery. */
import { createHash } from "node:crypto";
import { headers, type Msg, type MsgHdrs } from "nats";
import type { DeadJob, Job } from "../../../projections/ports/work-queue.js";

const header = "Parley-Job";

type Facts = { readonly id: string; readonly reason?: string; readonly attempts?: number; readonly diedAt?: number };

/** An id is any text, and neither a subject nor a header is: 43 characters that stand for it. */
export const tokenOf = (id: string): string => createHash("sha256").update(id).digest("base64url");

/** `msgId` is what JetStream deduplicates by. */
export const headersOf = (facts: Facts, msgId: string): MsgHdrs => {
  const made = headers();
  made.set(header, Buffer.from(JSON.stringify(facts)).toString("base64url"));
  made.set("Nats-Msg-Id", msgId);
  return made;
};

const factsOf = (from: MsgHdrs | undefined): Facts | undefined => {
  const text = from?.get(header) ?? "";
  try {
    return JSON.parse(Buffer.from(text, "base64url").toString()) as Facts;
  } catch {
    // A stranger's message: what throws in a subscription's callback would end the client's reading for ever.
    return undefined;
  }
};

type Stored = { readonly header: MsgHdrs; readonly data: Uint8Array; readonly seq: number };

export const deadJobOf = ({ header: from, data, seq }: Stored): DeadJob => {
  const { id, reason = "", attempts = 0, diedAt = 0 } = factsOf(from) ?? { id: strangerOf(seq) };
  return { id, payload: Buffer.from(data).toString(), reason, attempts, diedAt };
};

/** One delivery of a job. `place` names the stored message, whichever delivery of it this is. */
export type Delivery = { readonly job: Job; readonly attempt: number; readonly place: string; readonly reply: string };

/** Undefined for what is no delivery but a status. */
export const deliveryOf = (msg: Msg): Delivery | undefined => {
  const { reply = "" } = msg;
  if (!reply.startsWith("$JS.ACK.")) return undefined;
  // $JS.ACK.[domain.account.]stream.consumer.deliveries.streamSequence.consumerSequence.time.pending[.token]
  const tokens = reply.split(".");
  const [attempt = "", sequence = "", , time = ""] = tokens.slice(tokens.length === 9 ? 4 : 6);
  const id = factsOf(msg.headers)?.id ?? strangerOf(Number(sequence));
  const job = { id, payload: Buffer.from(msg.data).toString() };
  return { job, attempt: Number(attempt), place: `${sequence}.${time}`, reply };
};

/** Another program published into the stream. Its message is a job all the same, so that it does not lie there for ever. */
const strangerOf = (sequence: number): string => `message ${sequence} without a job's header`;
