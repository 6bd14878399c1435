/** A server → client frame (PROTOCOL §5). */
export type Frame = { readonly type: string; readonly payload: Readonly<Record<string, unknown>> };
