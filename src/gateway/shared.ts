import { E, type Either } from "../domain/kernel/fp.js";
import type { CommandContext } from "../domain/kernel/decider.js";
import type { Actor } from "../domain/kernel/ids.js";
import type { Position } from "../domain/kernel/stream.js";
import type { DeviceType } from "../domain/user/user.events.js";
import type { Rejection } from "../domain/rejections.js";
import type { Answer, SyncRequest, SyncResult } from "../projections/queries/queries.js";
import { createGate, createQuota } from "./gate.js";
import { createHeadWait } from "./head-wait.js";
import { gatewayLimits as bounds } from "./limits.js";
import type { Application } from "./ports.js";
import { createReadYourWrites } from "./read-your-writes.js";

/** What sockets and REST have in common: one per gateway, given to `createDispatcher` and to `createRest`. */
export type Shared = {
  /** To be called with the position of every answered write, before its answer leaves. */
  readonly wrote: (userId: string, position: Position) => void;
  /** Resolves when the views hold this user's answered writes. */
  readonly ownWritesVisible: (actor: Actor) => Answer<undefined>;
  /** Contains everything accepted before the call. Refused when too many are catching up at once, or too many of this user. */
  readonly sync: (actor: Actor, body: SyncRequest) => Answer<SyncResult>;
  /** A socket has come: registers user and device, with the type that the client gave. */
  readonly deviceConnected: (
    device: Issued & { readonly deviceType: DeviceType },
    context: CommandContext,
  ) => Promise<Either<Rejection, undefined>>;
  /** A REST call has come: costs nothing from the second time on. */
  readonly deviceCalled: (device: Issued, context: CommandContext) => Promise<Either<Rejection, undefined>>;
  /**
   * A device was removed, here or elsewhere: its next call is looked at in the log, and refused. To be called by
   * whoever follows the log, for every DeviceRemoved; once more than needed costs a look-up.
   */
  readonly deviceRemoved: (userId: string, deviceId: string) => void;
  /** Removals may have been missed: every device is looked at in the log when it calls next. */
  readonly removalsMissed: () => void;
  /** Grows whenever a removal is told or may have been missed: what the log said before is not believed after it. */
  readonly removalsTold: () => number;
};

/** `iat` of the token, Unix milliseconds: a removed device comes back only with one that is newer. */
export type Issued = { readonly tokenIssuedAt?: number };
export const issued = (at: number | undefined): Issued => (at === undefined ? {} : { tokenIssuedAt: at });

export const createShared = (app: Application): Shared => {
  const writes = createReadYourWrites(bounds.writersRememberedMax);
  const catchUps = createGate(bounds.catchUpsAtOnceMax, bounds.catchUpsWaitingMax);
  const catchUpsOfUser = createQuota(bounds.catchUpsOfUserMax);
  const { awaitCaughtUp } = app.queries;
  const untilHead = createHeadWait(app.head, awaitCaughtUp, bounds.headWaitMsMax);
  const devices = createDevices(app, writes.wrote);
  return {
    wrote: writes.wrote,
    ownWritesVisible: async (actor) => {
      // Views that lag are read as they are: only the own writes are promised. Both waits begin now, so that nobody waits
      // longer than one.
      const [own] = await Promise.all([awaitCaughtUp(writes.seen(actor.userId)), untilHead()]);
      return own;
    },
    sync: async (actor, body) => {
      const { userId } = actor;
      const answer = await catchUpsOfUser.within(userId, async () => {
        // Read before the turn comes: whoever waits long need not see more than it asked for. And the views are waited
        // for without a place: a place is for reading, and views that stand still would hold all of them.
        const head = await app.head();
        const own = writes.seen(userId);
        const visible = awaitCaughtUp(Math.max(head, own));
        // A page that is full needs no head. It is tried beside the wait, and only where nobody waits for the place.
        const ahead = await catchUps.passNow(() => app.queries.syncAhead(actor, body, head, own));
        if (ahead !== undefined) return E.right(ahead);
        const caughtUp = await visible;
        if (E.isLeft(caughtUp)) return caughtUp;
        return catchUps.pass(userId, () => app.queries.sync(actor, body, head));
      });
      return answer ?? E.left(crowded());
    },
    ...devices,
  };
};

/** Jittered, so that those who are refused together do not come back together. */
const crowded = (): Rejection => ({
  code: "UNAVAILABLE",
  message: "Too many clients are catching up.",
  retryAfter: bounds.retryAfterS + Math.floor(Math.random() * 10),
});

type Devices = Pick<Shared, "deviceConnected" | "deviceCalled" | "deviceRemoved" | "removalsMissed" | "removalsTold">;

const createDevices = (app: Application, wrote: Shared["wrote"]): Devices => {
  /** Oldest sighting first. To forget one costs a look-up when it calls again. */
  const known = new Set<string>();
  let removals = 0;
  const remember = (key: string): void => {
    known.delete(key);
    known.add(key);
    if (known.size > bounds.devicesRememberedMax) for (const oldest of known) return void known.delete(oldest);
  };
  const register = async (command: Issued & { deviceType?: DeviceType }, context: CommandContext) => {
    const removalsBefore = removals;
    // Who is connected is not unseen, whenever it was registered.
    const connectedDevices = await app.connectedDevices(context.by.userId);
    const registered = await app.commands.registerDevice({ ...command, connectedDevices }, context);
    if (E.isLeft(registered)) return registered;
    wrote(context.by.userId, registered.right.position);
    // A removal that was told meanwhile may be this device's, and later in the log than the answer.
    if (removals === removalsBefore) remember(keyOf(context.by));
    return E.right(undefined);
  };
  // A REST call does not say what kind of device it is from: one that is registered keeps the kind it has.
  const deviceCalled: Shared["deviceCalled"] = async (device, context) =>
    known.has(keyOf(context.by)) ? E.right(undefined) : register(device, context);
  return {
    deviceConnected: register,
    deviceCalled,
    deviceRemoved: (userId, deviceId) => {
      removals++;
      known.delete(keyOf({ userId, deviceId }));
    },
    removalsMissed: () => {
      removals++;
      known.clear();
    },
    removalsTold: () => removals,
  };
};

/** No id holds a space. */
const keyOf = ({ userId, deviceId }: Actor): string => `${userId} ${deviceId}`;
