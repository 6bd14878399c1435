import type { ErrorCodeOfServer } from "../../../client/contract/codes.js";
import type { clientFrames, ClientFrameType, serverFrames, ServerFrameType } from "../../../client/contract/frames.js";
import type { RouteName } from "../../../client/contract/routes.js";

type FieldOf<Frames extends Readonly<Record<string, { readonly payload: object }>>> = {
  [Type in keyof Frames & string]: `${Type} ${keyof Frames[Type]["payload"] & string}`;
}[keyof Frames & string];

/**
 * What the protocol has: calls, fields of their bodies (`METHOD /path field`), values of their queries (`?name=value`),
 * types of frames, fields of their payloads (`type field`), types of content, codes of errors.
 */
type Name =
  | RouteName
  | `${RouteName} ${string}`
  | `content ${string}`
  | ClientFrameType
  | ServerFrameType
  | FieldOf<typeof clientFrames>
  | FieldOf<typeof serverFrames>
  | ErrorCodeOfServer;

/**
 * The only list of what PROTOCOL.md has and this server has not. It may only shrink: the types below keep the gateway
 * from having what stands here, and from lacking what does not.
 */
export const notBuilt = [
  // Messages that expire, previews of push.
  "message.send expiresIn",
  "message.send pushPreview",
  "message.expired",
  "PATCH /conversations/{conversationId} messageTtl",
  // Presence and blocking.
  "presence.subscribe",
  "presence.unsubscribe",
  "presence.bulk",
  "presence.update",
  "GET /users/{userId}/presence",
  "PUT /me/blocks/{userId}",
  "DELETE /me/blocks/{userId}",
  // Media, avatars among them.
  "content image",
  "content video",
  "content audio",
  "content document",
  "PATCH /conversations/{conversationId} avatarMediaId",
  "PUT /me avatarMediaId",
  "message.new media",
  "media.updated",
  "MEDIA_NOT_FOUND",
  "POST /media",
  "GET /media/{mediaId}",
  "GET /media/{mediaId}/thumbnail",
  "GET /media/{mediaId}/upload",
  "POST /media/{mediaId}/complete",
  // Push and keys.
  "PUT /devices/{deviceId}/push-subscription",
  "DELETE /devices/{deviceId}/push-subscription",
  "GET /push/vapid-public-key",
  "PUT /devices/{deviceId}/keys",
  "GET /users/{userId}/keys",
  // Whatever may be missing is healed by a sync of the whole account.
  "sync.required conversationId",
  // The inbox is asked for what is archived, or for what is not.
  "GET /conversations ?archived=any",
] as const satisfies readonly Name[];

export type NotBuilt = (typeof notBuilt)[number];

/** Names of the protocol less those that are not built. */
export type Built<Names extends string> = Exclude<Names, NotBuilt>;
