import { t } from "../../../domain/kernel/fp.js";

/** Subjects of one cell. A gateway has one for counted requests, one for ephemeral frames, one for control. */
export const subjectsOf = (cell: string) => {
  const prefix = `parley.${token(cell)}`;
  const gateway = (gatewayId: string, what: string) => `${prefix}.gateway.${token(gatewayId)}.${what}`;
  return {
    /** Every gateway's heartbeats. */
    gateways: `${prefix}.gateways`,
    /** Asks every gateway for a heartbeat now. */
    rollCall: `${prefix}.rollcall`,
    /** Tells every process that a user was erased. */
    erased: `${prefix}.erased`,
    deliver: (gatewayId: string) => gateway(gatewayId, "deliver"),
    ephemeral: (gatewayId: string) => gateway(gatewayId, "ephemeral"),
    replaced: (gatewayId: string) => gateway(gatewayId, "replaced"),
  };
};
export type Subjects = ReturnType<typeof subjectsOf>;

/** A dot, a star or a blank in an id would be another subject. */
const token = (id: string): string =>
  id.replace(/[^A-Za-z0-9_-]/gu, (character) => `=${(character.codePointAt(0) ?? 0).toString(16)}=`);

/** `starting` goes out once the gateway is subscribed, before it has sockets; `leaving` when it has none any more. */
const Heartbeat = t.type({
  gatewayId: t.string,
  state: t.union([t.literal("starting"), t.literal("alive"), t.literal("leaving")]),
});
export type Heartbeat = t.TypeOf<typeof Heartbeat>;

/** A connection that a newer one of the same device replaced. */
const Replaced = t.type({ connectionId: t.string, userId: t.string, deviceId: t.string });
export type Replaced = Readonly<t.TypeOf<typeof Replaced>>;

/** A gateway's answer to a request: the last counter of this sender that it has taken, or why it cannot. */
const Reply = t.union([t.type({ taken: t.number }), t.type({ refused: t.string })]);
export type Reply = t.TypeOf<typeof Reply>;

/** A user who was erased, and the process that has forgotten what it knew of that user's keys. */
const Erased = t.type({ userId: t.string });
const Forgotten = t.type({ processId: t.string });

const readable =
  <A>(codec: t.Type<A>) =>
  (data: Uint8Array): A | undefined => {
    try {
      const value: unknown = JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
      return codec.is(value) ? value : undefined;
    } catch {
      return undefined;
    }
  };
export const decodeHeartbeat = readable(Heartbeat);
export const decodeReplaced = readable(Replaced);
export const decodeReply = readable(Reply);
export const decodeErased = readable(Erased);
export const decodeForgotten = readable(Forgotten);

type Small = Heartbeat | Replaced | Reply | t.TypeOf<typeof Erased> | t.TypeOf<typeof Forgotten>;
export const encodeSmall = (value: Small): Uint8Array => Buffer.from(JSON.stringify(value));
