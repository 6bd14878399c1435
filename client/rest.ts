import { abortable, abortedBy, inTime, type CallOptions } from "./abort.js";
import { ParleyError, asParleyError, codeOfStatus, errorFrom } from "./errors.js";
import type { Method } from "./contract/routes.js";
import { jsonOf } from "./json.js";
import { addressOf, type Address } from "./path.js";
import { isRecord, type Conversation, type Message, type Role, type Settings, type Summary } from "./protocol.js";
import type { HttpRequest, Platform } from "./platform.js";
import { tokenFrom, type TokenSource } from "./token.js";

export type Group = {
  readonly name: string;
  readonly description?: string;
  readonly participantIds: readonly string[];
  readonly settings?: Partial<Settings>;
  /** Makes a repeated call find the first one's group. */
  readonly clientRequestId?: string;
};
export type InboxPage = { readonly conversations: readonly Summary[]; readonly nextCursor?: string };
export type MembersPage = {
  readonly members: readonly { readonly userId: string; readonly role?: Role; readonly joinedAt: number }[];
  readonly nextCursor?: string;
};
export type HistoryPage = {
  readonly messages: readonly Message[];
  readonly hasMore: boolean;
  readonly nextCursor?: string;
};
export type PublicUser = { readonly userId: string; readonly displayName?: string; readonly avatarMediaId?: string };
export type Profile = PublicUser & Readonly<Record<string, unknown>>;

/** The calls of PROTOCOL §6; all reject with ParleyError. `limit` 1–200. */
export type Rest = {
  readonly createDirect: (userId: string, options?: CallOptions) => Promise<Conversation>;
  readonly createGroup: (group: Group, options?: CallOptions) => Promise<Conversation>;
  readonly conversation: (conversationId: string, options?: CallOptions) => Promise<Summary>;
  readonly inbox: (
    page?: { limit?: number; cursor?: string; archived?: boolean },
    options?: CallOptions,
  ) => Promise<InboxPage>;
  readonly members: (conversationId: string, page?: { cursor?: string }, options?: CallOptions) => Promise<MembersPage>;
  /** At most 256 users. */
  readonly addMembers: (
    conversationId: string,
    userIds: readonly string[],
    options?: CallOptions,
  ) => Promise<{ readonly added: unknown; readonly memberCount: number }>;
  readonly removeMember: (conversationId: string, userId: string, options?: CallOptions) => Promise<void>;
  /** `before` and `after` are exclusive sequences, not both; the newest page without either. Ascending. */
  readonly history: (
    conversationId: string,
    page?: { before?: number; after?: number; limit?: number },
    options?: CallOptions,
  ) => Promise<HistoryPage>;
  readonly me: (options?: CallOptions) => Promise<Profile>;
  readonly user: (userId: string, options?: CallOptions) => Promise<PublicUser>;
  /** Any other call: `path` below /api/v1, such as `/me/devices`. Undefined for an answer without a body. */
  readonly call: (method: Method, path: string, body?: object, options?: CallOptions) => Promise<unknown>;
};

export type RestOptions = {
  readonly platform: Platform;
  /** Without a slash at its end. */
  readonly url: string;
  readonly token: TokenSource;
  readonly requestTimeoutMs: number;
};

/** One call with this token; undefined for an answer without a body. Rejects with ParleyError. */
export type Call = (
  token: string,
  method: string,
  path: string,
  body?: object,
  signal?: AbortSignal,
) => Promise<unknown>;

export function createCall({ platform, url, requestTimeoutMs }: Omit<RestOptions, "token">): Call {
  const ask = async (url: string, request: HttpRequest) => {
    const answer = await platform.fetch(url, request);
    return { status: answer.status, text: await answer.text() };
  };
  return async (token, method, path, body, signal) => {
    if (signal?.aborted) throw abortedBy(signal);
    const json = body === undefined ? {} : { body: jsonOf(body) };
    const ended = new AbortController();
    const request: HttpRequest = {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...json,
      signal: ended.signal,
    };
    const late = (): ParleyError =>
      new ParleyError("TIMEOUT", `${method} ${path} had no answer within ${requestTimeoutMs} ms`);
    try {
      // Not left to the fetch: it need not heed the signal.
      const asked = inTime(platform, ask(`${url}/api/v1${path}`, request), requestTimeoutMs, late);
      const { status, text } = await abortable(asked, { signal });
      const content: unknown = text === "" ? undefined : parseJson(text);
      if (status >= 200 && status < 300) return content;
      throw errorFrom(content, `${method} ${path} answered ${status}`, codeOfStatus(status));
    } catch (thrown) {
      throw asParleyError(thrown, "DISCONNECTED", `${method} ${path}`);
    } finally {
      ended.abort();
    }
  };
}

/** A token for REST or the connection that goes on. Rejects with ParleyError. */
export const tokenWith =
  ({ platform, token, requestTimeoutMs }: Omit<RestOptions, "url">) =>
  (rejected: boolean): Promise<string> =>
    inTime(
      platform,
      tokenFrom(token, { rejected }),
      requestTimeoutMs,
      () => new ParleyError("TIMEOUT", `token() gave none within ${requestTimeoutMs} ms`),
    );

/** Asks the server over HTTP why it refuses this token; undefined when it does not, or cannot be reached either. */
export function probeWith(options: Omit<RestOptions, "token">): (token: string) => Promise<ParleyError | undefined> {
  const call = createCall(options);
  return async (token) => {
    try {
      await call(token, ...addressOf("GET /me", {}));
      return undefined;
    } catch (thrown) {
      const error = asParleyError(thrown, "DISCONNECTED", "GET /me");
      // Not reached: nothing was learnt that the closed socket did not say.
      return error.code === "DISCONNECTED" || error.code === "TIMEOUT" ? undefined : error;
    }
  };
}

export function createRest(options: RestOptions): Rest {
  const callWith = createCall(options);
  const tokenOf = tokenWith(options);
  /** A refused token is fetched anew once: it may have expired since the last call. */
  const attempt = async (method: string, path: string, body: object | undefined, signal: AbortSignal | undefined) => {
    const token = await tokenOf(false);
    try {
      return await callWith(token, method, path, body, signal);
    } catch (error) {
      if (!(error instanceof ParleyError) || error.code !== "UNAUTHORIZED") throw error;
      return callWith(await tokenOf(true), method, path, body, signal);
    }
  };
  // Fetching the token is part of what one may give up waiting for.
  const call: Rest["call"] = (method, path, body, { signal } = {}) =>
    abortable(attempt(method, path, body, signal), { signal });
  // The server's answers have the documented shapes; what is checked is that there is one.
  const ask = async <A>([method, path]: Address, more?: CallOptions, body?: object): Promise<A> =>
    answered(await call(method, path, body, more)) as A;

  return {
    call,
    createDirect: (userId, more) =>
      ask(addressOf("POST /conversations", {}), more, { type: "direct", participantIds: [userId] }),
    createGroup: (group, more) => ask(addressOf("POST /groups", {}), more, group),
    conversation: (conversationId, more) =>
      ask(addressOf("GET /conversations/{conversationId}", { conversationId }), more),
    inbox: (page = {}, more = {}) => ask(addressOf("GET /conversations", {}, page), more),
    members: (conversationId, page = {}, more = {}) =>
      ask(addressOf("GET /conversations/{conversationId}/members", { conversationId }, page), more),
    addMembers: (conversationId, userIds, more) =>
      ask(addressOf("POST /conversations/{conversationId}/members", { conversationId }), more, { userIds }),
    removeMember: async (conversationId, userId, more) => {
      const named = { conversationId, userId };
      const [method, path] = addressOf("DELETE /conversations/{conversationId}/members/{userId}", named);
      await call(method, path, undefined, more);
    },
    history: async (conversationId, page = {}, more = {}) => {
      const address = addressOf("GET /conversations/{conversationId}/messages", { conversationId }, page);
      const answer = await ask<HistoryPage>(address, more);
      if (!Array.isArray(answer.messages)) throw new ParleyError("PROTOCOL", "the answer has no messages");
      return answer;
    },
    me: (more) => ask(addressOf("GET /me", {}), more),
    user: (userId, more) => ask(addressOf("GET /users/{userId}", { userId }), more),
  };
}

function answered(body: unknown): unknown {
  if (!isRecord(body)) throw new ParleyError("PROTOCOL", "the answer is not a JSON object");
  return body;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // a proxy's error page: the status says enough
  }
}
