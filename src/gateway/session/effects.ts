import { E, type Either } from "../../domain/kernel/fp.js";
import type { CommandContext } from "../../domain/kernel/decider.js";
import type { Changed, Commands, MessageAccepted, Outcome } from "../../commands/commands.js";
import type { Actor } from "../../domain/kernel/ids.js";
import { contextOf, labels, writing } from "./asking.js";
import { issued } from "../access/device-access.js";
import type { DispatcherDeps, Feed, Live } from "./dispatch-types.js";
import type { SyncResult } from "../../projections/queries/queries.js";
import type { Claims, TokenRefusal } from "../ports.js";
import { closeCodes, type Failure } from "../protocol/codes.js";
import type { MessageRate } from "../access/message-rate.js";
import type { ChangeRequest } from "../protocol/frames.js";
import { toAcknowledgement } from "../protocol/acknowledgement.js";
import type { ServerFrame } from "../protocol/server-frames.js";
import type { Send } from "./message-lane.js";
import type { Request, SessionEffect, SessionInput } from "./session-types.js";
import type { TaskRunner } from "../access/task-runner.js";
import type { Position } from "../../domain/kernel/stream.js";

type Of<K extends SessionEffect["kind"]> = Extract<SessionEffect, { kind: K }>;

/** Does what the machine wants done, and feeds it what came of it. */
export const createEffectRunner = (
  deps: DispatcherDeps,
  work: TaskRunner,
  send: Send,
  feed: Feed,
): ((live: Live, effect: SessionEffect) => void) => {
  const { app, catchUp, deviceAccess, authenticate, metrics, clock, messageRate, monotonic } = deps;
  const contextNow = (live: Live): CommandContext => contextOf(deps, live, clock());

  const write = <A extends { readonly position: Position }>(
    live: Live,
    type: string,
    command: (context: CommandContext) => Promise<Either<Failure, A>>,
    done: (outcome: Either<Failure, A>) => void,
  ): void => {
    const settled = writing(deps, live, done);
    const task = () => command(contextNow(live));
    const limited = messageRate && (() => inTurn(live, type === "receipts" ? free : messageRate, task));
    work.run(limited ?? task, settled, labels(live, type));
  };

  const message = (live: Live, { request, message }: Of<"message">): void => {
    const done = (outcome: Either<Failure, MessageAccepted>): void => {
      feed(live, { kind: "answered", request, answer: E.map(toAcknowledgement)(outcome) });
    };
    if (messageRate === undefined) send(live, message, clock(), done);
    else write(live, request.type, (context) => app.commands.sendMessage(message, context), done);
  };

  const change = (live: Live, { request, change }: Of<"change">): void => {
    write(
      live,
      request.type,
      (context) => changing(app.commands, change, context),
      (outcome) => {
        feed(live, { kind: "answered", request, answer: E.map(toAck(request))(outcome) });
      },
    );
  };

  const typing = (live: Live, { request, typing: { type, conversationId } }: Of<"typing">): void => {
    const { actor } = live.connection;
    work.run(
      () => app.commands.othersIn(conversationId, contextNow(live)),
      (outcome) => {
        // A connection that has gone meanwhile has stopped typing.
        if (E.isRight(outcome) && live.state.phase !== "closed") {
          const { userIds } = outcome.right;
          if (type === "typing.stop") app.typing.stop(conversationId, actor);
          else if (userIds === undefined) metrics.typingShed();
          else app.typing.start(conversationId, actor, userIds);
          live.hasTyped = true;
        }
        feed(live, { kind: "answered", request, answer: E.map(() => toAck(request)({}))(outcome) });
      },
      labels(live, request.type),
    );
  };

  const receipts = (live: Live, { batch, advance }: Of<"receipts">): void => {
    write(
      live,
      "receipts",
      (context) => app.commands.advanceReceipts(advance, context),
      (outcome) => {
        const failure = E.isLeft(outcome) ? { failure: outcome.left } : {};
        feed(live, { kind: "receipts_settled", batch, ...failure });
      },
    );
  };

  const sync = (live: Live, { request, body }: Of<"sync">): void => {
    work.run(
      () => live.writes.barrier().then(() => catchUp.sync(live.connection.actor, body)),
      (outcome) => {
        const answer = E.map((payload: SyncResult): ServerFrame => ({ type: "sync.result", payload }))(outcome);
        feed(live, { kind: "answered", request, answer });
      },
      labels(live, request.type),
    );
  };

  const refresh = (live: Live, { request, token }: Of<"authenticate">): void => {
    const { connection } = live;
    const task = async (): Promise<Either<Failure, Either<TokenRefusal, Claims>>> => {
      const result = await authenticate(token);
      // Another's token needs no look at one's own device: the machine refuses it.
      if (E.isLeft(result) || !isOf(connection.actor, result.right)) return E.right(result);
      const { issuedAt } = result.right;
      const allowed = await deviceAccess.deviceCalled(issued(issuedAt), contextNow(live));
      if (E.isLeft(allowed)) return allowed;
      connection.issuedAt = issuedAt;
      return E.right(result);
    };
    const done = (outcome: Either<Failure, Either<TokenRefusal, Claims>>): void => {
      if (E.isLeft(outcome)) feed(live, { kind: "answered", request, answer: outcome });
      else feed(live, { kind: "authenticated", request, result: outcome.right });
    };
    work.run(task, done, labels(live, request.type));
  };

  const answer = (live: Live, { type, outcome, request, frame }: Of<"answer">): void => {
    if (frame !== undefined) live.connection.send(JSON.stringify(frame));
    metrics.request(type, outcome);
    if (type === "message.send" && outcome === "ok" && request !== undefined)
      metrics.sendLatency((monotonic() - request.receivedAt) / 1000);
    if (type === "auth.refresh" && outcome === "UNAUTHORIZED") metrics.authenticationFailed("refresh");
  };

  return (live, effect) => {
    switch (effect.kind) {
      case "answer":
        answer(live, effect);
        return;
      case "message":
        message(live, effect);
        return;
      case "change":
        change(live, effect);
        return;
      case "typing":
        typing(live, effect);
        return;
      case "receipts":
        receipts(live, effect);
        return;
      case "sync":
        sync(live, effect);
        return;
      case "authenticate":
        refresh(live, effect);
        return;
      case "greet":
        live.connection.greet(JSON.stringify(effect.frame));
        return;
      case "timer":
        live.timer = setTimeout(feed, effect.delayMs, live, { kind: "receipts_due" } satisfies SessionInput);
        return;
      case "close":
        if (effect.why === "heartbeatLost") metrics.heartbeatFailed();
        live.connection.close(closeCodes[effect.why].code, closeCodes[effect.why].reason);
    }
  };
};

const isOf = ({ userId, deviceId }: Actor, claims: Claims): boolean =>
  claims.userId === userId && claims.deviceId === deviceId;

const changing = (commands: Commands, change: ChangeRequest, context: CommandContext): Outcome<Changed> => {
  switch (change.type) {
    case "message.edit":
      return commands.editMessage(change.edit, context);
    case "message.delete":
      return commands.deleteMessage(change.message, context);
    case "reaction.add":
      return commands.addReaction(change.reaction, context);
    case "reaction.remove":
      return commands.removeReaction(change.reaction, context);
  }
};

/** `pos` only where something changed. */
const toAck =
  ({ address: { conversationId } }: Request) =>
  ({ pos }: Pick<Changed, "pos">): ServerFrame => ({
    type: "ack",
    payload: { ...(conversationId === undefined ? {} : { conversationId }), ...(pos === undefined ? {} : { pos }) },
  });

const free: MessageRate = () => Promise.resolve(undefined);

/**
 * Asks whether the write may come in, and does it unless not. Whatever the connection sends after it waits until it was
 * let in, not until it is done: its order at the log is that of the socket.
 */
const inTurn = async <A>(
  live: Live,
  rate: MessageRate,
  task: () => Promise<Either<Failure, A>>,
): Promise<Either<Failure, A>> => {
  const before = live.letIn ?? Promise.resolve();
  const letIn = before.then(async () => {
    const refusal = await rate(live.connection.actor.userId);
    const done = refusal === undefined ? task() : Promise.resolve(E.left(refusal));
    // Its owner awaits it below; the next request only waits for the turn.
    done.catch(() => undefined);
    // In an object: a promise alone would make the turn last until it is done.
    return { done };
  });
  live.letIn = letIn.catch(() => undefined);
  return (await letIn).done;
};
