import type { ServerFrameType } from "../../../client/contract/frames.js";
import type { Actor, ConversationId, DeviceId, UserId } from "../../domain/kernel/ids.js";
import type { Bus } from "../../projections/ports/bus.js";

/** Which users type where: over the bus alone, never through the log. */
export type Typing = {
  /** `others`: the users to tell, on the first start; each further one only keeps it alive for five more seconds. */
  readonly start: (conversationId: ConversationId, by: Actor, others: readonly UserId[]) => void;
  readonly stop: (conversationId: ConversationId, by: Actor) => void;
  /** The device has gone: whatever it typed ends. */
  readonly gone: (by: Actor) => void;
  /** A member left: they are told nothing more, and what they typed ends. */
  readonly left: (conversationId: ConversationId, userId: UserId) => void;
};

export type TypingOptions = {
  readonly bus: Pick<Bus, "deliver">;
  /** The members among them now: asked before an end is told, where live delivery calls no `left`. When it rejects all are told. */
  readonly membersAmong?: (conversationId: ConversationId, userIds: readonly UserId[]) => Promise<readonly UserId[]>;
  /** Milliseconds; a clock that is never set back. */
  readonly now?: () => number;
  readonly timers?: { readonly after: (ms: number, work: () => void) => void };
};

const lastsMs = 5_000;
/** Between two beginnings of one user in one conversation that others are told of: a user who stops and starts all the time is two frames a second. */
const toldEveryMsMin = 1_000;
/** Larger conversations have no typing: a frame to each member is not worth it (DESIGN §5). */
const membersMax = 100;
/** Beyond these nothing new is typed: typing is the first to go when there is too much of everything. */
const typistsMax = 10_000;
/** Of one user, on all devices, those included that others were told of within the last second. */
const conversationsPerUserMax = 20;

/** One device in one conversation; `until` grows in the order of the map that holds it, since all last equally long. */
type Typist = { readonly conversationId: ConversationId; readonly by: Actor; readonly until: number };
/** One user in one conversation. `others`: the users who were told, or will be when `toldEveryMsMin` is over. */
type User = {
  readonly conversationId: ConversationId;
  readonly userId: UserId;
  readonly devices: Set<DeviceId>;
  others: readonly UserId[];
  isShown: boolean;
};

export const createTyping = (options: TypingOptions): Typing => {
  const { bus, membersAmong, now = () => performance.now(), timers = realTimers } = options;
  const typists = new Map<string, Typist>();
  const users = new Map<string, User>();
  /** User in conversation → until when no beginning is told; it grows in the order of the map. */
  const resting = new Map<string, number>();
  const ofDevice = createSets();
  /** What of a user is in `users` or `resting`. */
  const ofUser = createSets();
  let dueAt = Infinity;

  const tell = (
    conversationId: ConversationId,
    userId: UserId,
    isTyping: boolean,
    recipients: readonly UserId[],
  ): void => {
    const frame: { readonly type: ServerFrameType; readonly payload: object } = {
      type: "typing.update",
      payload: { conversationId, userId, isTyping },
    };
    void bus.deliver([{ recipients, frame: JSON.stringify(frame), ephemeral: true }]);
  };

  const show = (key: string, user: User): void => {
    user.isShown = true;
    resting.set(key, now() + toldEveryMsMin);
    tell(user.conversationId, user.userId, true, user.others);
  };

  const hide = (key: string, { conversationId, userId, others }: User): void => {
    if (membersAmong === undefined) {
      tell(conversationId, userId, false, others);
      return;
    }
    const asked = membersAmong(conversationId, others).catch(() => others);
    // Not of a user who is shown again by now: the end would come after that beginning.
    void asked.then((told) => {
      if (users.get(key)?.isShown !== true) tell(conversationId, userId, false, told);
    });
  };

  const end = (key: string, { conversationId, by }: Typist): void => {
    typists.delete(key);
    ofDevice.delete(deviceKey(by), key);
    const userIn = userKey(conversationId, by.userId);
    const user = users.get(userIn);
    user?.devices.delete(by.deviceId);
    if (user?.devices.size !== 0) return;
    users.delete(userIn);
    if (!resting.has(userIn)) ofUser.delete(by.userId, userIn);
    if (user.isShown) hide(userIn, user);
  };

  const begin = (conversationId: ConversationId, { userId, deviceId }: Actor, others: readonly UserId[]): void => {
    const key = userKey(conversationId, userId);
    const user = users.get(key) ?? { conversationId, userId, devices: new Set(), others, isShown: false };
    user.devices.add(deviceId);
    users.set(key, user);
    ofUser.add(userId, key);
    if (!user.isShown) user.others = others;
    if (!user.isShown && !resting.has(key)) show(key, user);
  };

  /** Of a user who has begun again meanwhile, the others hear now. */
  const rested = (key: string): void => {
    resting.delete(key);
    const user = users.get(key);
    if (user === undefined) ofUser.delete(userOf(key), key);
    else if (!user.isShown) show(key, user);
  };

  const isFull = (conversationId: ConversationId, { userId }: Actor): boolean => {
    const own = ofUser.of(userId);
    const isNew = !own.has(userKey(conversationId, userId));
    return typists.size + resting.size >= typistsMax || (isNew && own.size >= conversationsPerUserMax);
  };

  const tick = (at: number): void => {
    // Another one was set for an earlier moment, and went on from there.
    if (at !== dueAt) return;
    dueAt = Infinity;
    for (const [key, typist] of typists) {
      if (typist.until > now()) break;
      end(key, typist);
    }
    for (const [key, until] of resting) {
      if (until > now()) break;
      rested(key);
    }
    wait();
  };
  /** One timer, for whatever is due first. */
  const wait = (): void => {
    const at = Math.min(first(typists)?.until ?? Infinity, first(resting) ?? Infinity);
    if (at >= dueAt) return;
    dueAt = at;
    timers.after(Math.max(0, at - now()), () => {
      tick(at);
    });
  };

  return {
    start: (conversationId, by, others) => {
      if (others.length >= membersMax) return;
      const key = typistKey(conversationId, by);
      const isKnown = typists.delete(key);
      if (!isKnown && isFull(conversationId, by)) return;
      typists.set(key, { conversationId, by, until: now() + lastsMs });
      ofDevice.add(deviceKey(by), key);
      begin(conversationId, by, others);
      wait();
    },
    stop: (conversationId, by) => {
      const key = typistKey(conversationId, by);
      const typist = typists.get(key);
      if (typist !== undefined) end(key, typist);
    },
    gone: (by) => {
      for (const key of [...ofDevice.of(deviceKey(by))]) {
        const typist = typists.get(key);
        if (typist !== undefined) end(key, typist);
      }
    },
    left: (conversationId, userId) => {
      for (const [key, typist] of typists)
        if (typist.conversationId === conversationId && typist.by.userId === userId) end(key, typist);
      for (const user of users.values())
        if (user.conversationId === conversationId) user.others = user.others.filter((other) => other !== userId);
    },
  };
};

/** No id holds a space. */
const deviceKey = ({ userId, deviceId }: Actor): string => `${userId} ${deviceId}`;
const userKey = (conversationId: ConversationId, userId: UserId): string => `${conversationId} ${userId}`;
const userOf = (key: string): string => key.slice(key.indexOf(" ") + 1);
const typistKey = (conversationId: ConversationId, by: Actor): string => `${conversationId} ${deviceKey(by)}`;

const first = <A>(map: ReadonlyMap<string, A>): A | undefined => {
  for (const value of map.values()) return value;
  return undefined;
};

/** Sets by name; an empty one is not kept. */
const createSets = () => {
  const sets = new Map<string, Set<string>>();
  return {
    of: (name: string): ReadonlySet<string> => sets.get(name) ?? none,
    add: (name: string, value: string): void => {
      sets.set(name, (sets.get(name) ?? new Set<string>()).add(value));
    },
    delete: (name: string, value: string): void => {
      const set = sets.get(name);
      set?.delete(value);
      if (set?.size === 0) sets.delete(name);
    },
  };
};
const none: ReadonlySet<string> = new Set();

/** Does not keep a process alive that has nothing else to do. */
const realTimers: NonNullable<TypingOptions["timers"]> = {
  after: (ms, work) => void setTimeout(work, Math.ceil(ms)).unref(),
};
