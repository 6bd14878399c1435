import { expect, it } from "vitest";
import type { serverFrames } from "../../client/contract/frames.js";
import type {
  Ack,
  ChangeFrame,
  Connected,
  MessageAck,
  SignalFrame,
  SyncRequest,
  SyncResult,
} from "../../client/protocol.js";
import type { clientFrames } from "../../client/contract/frames.js";

/** Which fields a type has, and which of them always: as the contract's tables say it. */
type Named<Payload> = { [Field in keyof Payload]-?: object extends Pick<Payload, Field> ? "maybe" : "always" };
type Loose<Fields> = { [Field in keyof Fields]: Fields[Field] extends "always" ? "always" : "maybe" };
type Agrees<Payload, Fields> = [Named<Payload>, Loose<Fields>] extends [Loose<Fields>, Named<Payload>] ? true : false;

type Server = typeof serverFrames;
type Listened = ChangeFrame | SignalFrame;
type Payloads = { [Type in Listened["type"]]: Extract<Listened, { readonly type: Type }>["payload"] } & {
  readonly connected: Connected;
  readonly ack: Ack;
  readonly "message.ack": MessageAck;
  readonly "sync.result": SyncResult;
};

/** Checked by the compiler; the test itself only says that the line is there. */
it("the library's types have the fields of the contract's tables", () => {
  const agree: { [Type in keyof Payloads]: Agrees<Payloads[Type], Server[Type]["payload"]> } = {
    ...{ "message.new": true, "message.updated": true, "message.expired": true },
    ...{ "conversation.created": true, "conversation.updated": true },
    ...{ "member.joined": true, "member.left": true, "member.role": true },
    ...{ "receipt.update": true, "receipt.rollup": true, "inbox.update": true },
    ...{ connected: true, ack: true, "message.ack": true, "sync.result": true },
  };
  const sync: Agrees<SyncRequest, (typeof clientFrames)["sync"]["payload"]> = true;
  expect([...Object.values(agree), sync]).not.toContain(false);
});
