/** One pull: asks the consumer for one job and waits a while for it. */
import { asError } from "../../../lib/errors.js";
import { createInbox, type Msg, type Subscription } from "nats";
import type { Link } from "./link.js";
import { deliveryOf, type Delivery } from "./wire.js";

export type Pulled =
  | { readonly kind: "job"; readonly delivery: Delivery }
  | { readonly kind: "none" }
  | { readonly kind: "failed"; readonly error: Error };

/** How long the server holds a pull before it says that there is nothing. */
const expiresMs = 5_000;
/** The server says nothing at all about a consumer that it does not know. */
const silentMs = expiresMs + 2_000;

/**
 * Resolves with a job, with none when the time or the connection is over or `signal` aborts, with the reason when the
 * pull is refused. A job that comes when the pull was given up is handed back at once, rather than after `visibilityMs`.
 */
export const pull = ({ connection, names, onChange }: Link, signal: AbortSignal): Promise<Pulled> =>
  new Promise((resolve) => {
    let given: Subscription | undefined;
    let over = false;
    const end = (pulled: Pulled): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      change.stop();
      signal.removeEventListener("abort", abort);
      resolve(pulled);
    };
    const take = (failure: Error | null, msg: Msg): void => {
      if (failure !== null) {
        end({ kind: "failed", error: failure });
        return;
      }
      const delivery = deliveryOf(msg);
      if (delivery === undefined) end(statusOf(msg));
      else if (!over) end({ kind: "job", delivery });
      else if (!connection.isClosed()) connection.publish(delivery.reply, "-NAK");
      // One message and no more was asked for.
      given?.unsubscribe();
    };
    const giveUp = (pulled: Pulled): void => {
      end(pulled);
      // What is on its way arrives before the drain ends; it fails only with the connection, and then nothing comes.
      given?.drain().catch(() => undefined);
    };
    const abort = (): void => {
      giveUp({ kind: "none" });
    };
    const change = onChange(() => {
      end({ kind: "none" });
      given?.unsubscribe();
    });
    const timer = setTimeout(() => {
      giveUp({ kind: "failed", error: new Error(`no answer from the consumer of ${names.stream}`) });
    }, silentMs);
    signal.addEventListener("abort", abort);
    try {
      const inbox = createInbox();
      given = connection.subscribe(inbox, { callback: take });
      const asked = JSON.stringify({ batch: 1, expires: expiresMs * 1_000_000 });
      connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${names.stream}.${names.consumer}`, asked, { reply: inbox });
    } catch (error) {
      end({ kind: "failed", error: asError(error) });
    }
  });

/** 408: nothing to do. Anything else means that the consumer is gone, or that JetStream is not ready. */
const statusOf = ({ headers }: Msg): Pulled => {
  const code = headers?.code ?? 0;
  if (code === 408) return { kind: "none" };
  return { kind: "failed", error: new Error(`a pull was answered with ${code} ${headers?.description ?? ""}`) };
};
