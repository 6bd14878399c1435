import type { Actor } from "../../domain/kernel/ids.js";
import type { Bus } from "../ports.js";

/** Who is typing where: over the bus alone, never through the log. */
export type Typing = {
  /** `others`: who is told, on the first start; each further one only keeps it alive for five more seconds. */
  readonly start: (conversationId: string, by: Actor, others: readonly string[]) => void;
  readonly stop: (conversationId: string, by: Actor) => void;
  /** The device has gone: whatever it typed ends. */
  readonly gone: (by: Actor) => void;
  /** A member left: they are told nothing more, and what they typed ends. */
  readonly left: (conversationId: string, userId: string) => void;
};

export type TypingOptions = {
  readonly bus: Pick<Bus, "deliver">;
  /** Who of them is a member now: asked before an end is told, where nobody calls `left`. When it rejects all are told. */
  readonly membersAmong?: (conversationId: string, userIds: readonly string[]) => Promise<readonly string[]>;
  /** Milliseconds; a clock that is never set back. */
  readonly now?: () => number;
  readonly timers?: { readonly after: (ms: number, work: () => void) => void };
};

const lastsMs = 5_000;
/** Larger conversations have no typing: a frame to each member is not worth it (DESIGN §5). */
const membersMax = 100;
/** Beyond these nothing new is typed: typing is the first to go when there is too much of everything. */
const typistsMax = 10_000;
const conversationsPerDeviceMax = 20;

/** One device in one conversation; `until` grows in the order of the map that holds it, since all last equally long. */
type Typist = { readonly conversationId: string; readonly by: Actor; readonly until: number };

export const createTyping = (options: TypingOptions): Typing => {
  const { bus, membersAmong, now = () => performance.now(), timers = realTimers } = options;
  const typists = new Map<string, Typist>();
  /** User in conversation → the devices that type there, and who was told. */
  const users = new Map<string, { readonly devices: Set<string>; told: readonly string[] }>();
  const ofDevice = new Map<string, Set<string>>();
  let ticking = false;

  const tell = (conversationId: string, userId: string, isTyping: boolean, recipients: readonly string[]): void => {
    const frame = JSON.stringify({ type: "typing.update", payload: { conversationId, userId, isTyping } });
    void bus.deliver([{ recipients, frame, ephemeral: true }]);
  };

  const end = (key: string, { conversationId, by }: Typist): void => {
    typists.delete(key);
    const device = deviceKey(by);
    const conversations = ofDevice.get(device);
    conversations?.delete(key);
    if (conversations?.size === 0) ofDevice.delete(device);
    const userIn = userKey(conversationId, by);
    const user = users.get(userIn);
    user?.devices.delete(by.deviceId);
    if (user?.devices.size !== 0) return;
    users.delete(userIn);
    const ended = (told: readonly string[]): void => {
      tell(conversationId, by.userId, false, told);
    };
    if (membersAmong === undefined) {
      ended(user.told);
      return;
    }
    const asked = membersAmong(conversationId, user.told).catch(() => user.told);
    // Who types again by now has been shown as typing: an end would come after its beginning.
    void asked.then((told) => {
      if (!users.has(userIn)) ended(told);
    });
  };

  const begin = (key: string, { conversationId, by }: Typist, others: readonly string[]): void => {
    const device = deviceKey(by);
    ofDevice.set(device, (ofDevice.get(device) ?? new Set<string>()).add(key));
    const userIn = userKey(conversationId, by);
    const user = users.get(userIn);
    if (user !== undefined) {
      user.devices.add(by.deviceId);
      return;
    }
    users.set(userIn, { devices: new Set([by.deviceId]), told: others });
    tell(conversationId, by.userId, true, others);
  };

  /** One timer, for whoever ends first. */
  const tick = (): void => {
    ticking = false;
    for (const [key, typist] of typists) {
      if (typist.until > now()) {
        wait(typist.until - now());
        return;
      }
      end(key, typist);
    }
  };
  const wait = (ms: number): void => {
    if (ticking) return;
    ticking = true;
    timers.after(ms, tick);
  };

  return {
    start: (conversationId, by, others) => {
      if (others.length >= membersMax) return;
      const key = typistKey(conversationId, by);
      const typist = { conversationId, by, until: now() + lastsMs };
      const known = typists.delete(key);
      const full = typists.size >= typistsMax || (ofDevice.get(deviceKey(by))?.size ?? 0) >= conversationsPerDeviceMax;
      if (!known && full) return;
      typists.set(key, typist);
      if (!known) begin(key, typist, others);
      wait(lastsMs);
    },
    stop: (conversationId, by) => {
      const key = typistKey(conversationId, by);
      const typist = typists.get(key);
      if (typist !== undefined) end(key, typist);
    },
    gone: (by) => {
      for (const key of [...(ofDevice.get(deviceKey(by)) ?? [])]) {
        const typist = typists.get(key);
        if (typist !== undefined) end(key, typist);
      }
    },
    left: (conversationId, userId) => {
      for (const [key, typist] of typists)
        if (typist.conversationId === conversationId && typist.by.userId === userId) end(key, typist);
      for (const [key, user] of users)
        if (key.startsWith(`${conversationId} `)) user.told = user.told.filter((told) => told !== userId);
    },
  };
};

/** No id holds a space. */
const deviceKey = ({ userId, deviceId }: Actor): string => `${userId} ${deviceId}`;
const userKey = (conversationId: string, { userId }: Actor): string => `${conversationId} ${userId}`;
const typistKey = (conversationId: string, by: Actor): string => `${conversationId} ${deviceKey(by)}`;

/** Does not keep a process alive that has nothing else to do. */
const realTimers: NonNullable<TypingOptions["timers"]> = {
  after: (ms, work) => void setTimeout(work, Math.ceil(ms)).unref(),
};
