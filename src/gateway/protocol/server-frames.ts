import type { serverFrames, ServerFrameType } from "../../../client/contract/frames.js";
import type { Built, NotBuilt } from "./not-built.js";

type Payload<Type extends ServerFrameType> = (typeof serverFrames)[Type]["payload"];
type Needed<Fields> = { [Name in keyof Fields]: Fields[Name] extends "always" ? Name : never }[keyof Fields];
type Unbuilt<Type extends string, Names> = Names extends string
  ? `${Type} ${Names}` extends NotBuilt
    ? Names
    : never
  : never;

/**
 * What the gateway says by itself has the types and fields of the protocol's table, as far as they are built: what is
 * missing, or not built, does not compile. Frames of changes are the projections', which know no wire.
 */
export type ServerFrame = {
  [Type in Built<ServerFrameType>]: {
    readonly type: Type;
    readonly id?: string;
    readonly payload: Readonly<Record<Needed<Payload<Type>>, unknown>> & {
      readonly [Name in keyof Payload<Type>]?: Name extends Unbuilt<Type, keyof Payload<Type>> ? never : unknown;
    };
  };
}[Built<ServerFrameType>];

export type ConnectedPayload = Extract<ServerFrame, { readonly type: "connected" }>["payload"];
