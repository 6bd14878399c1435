import { randomUUID } from "node:crypto";
import type { Actor } from "../../domain/kernel/ids.js";
import type { DeviceType } from "../../domain/user/user.events.js";
import type { Claims, Connection } from "../ports.js";
import type { HubConnection } from "./hub.js";
import type { Frame } from "./measured-frames.js";
import type { Outbox } from "./outbox.js";

/**
 * A socket's connection: what the dispatcher and the hub are handed. A class, since there is one for each socket: objects
 * that are put together by spread get a shape of their own each, which takes more than they do.
 */
export class SocketConnection implements HubConnection, Pick<Connection, "greet"> {
  readonly connectionId = randomUUID();
  readonly actor: Actor;
  issuedAt: number | undefined;

  constructor(
    { userId, deviceId, issuedAt }: Claims,
    readonly deviceType: DeviceType,
    readonly outbox: Outbox,
  ) {
    this.actor = { userId, deviceId };
    this.issuedAt = issuedAt;
  }

  send(frame: Frame, ephemeral?: boolean): void {
    this.outbox.send(frame, ephemeral);
  }

  greet(frame: string): void {
    this.outbox.greet(frame);
  }

  close(code: number, reason: string, lastWords?: readonly string[]): void {
    this.outbox.close(code, reason, lastWords);
  }
}
