declare const brand: unique symbol;

/**
 * An `A` of one meaning, so that what is an `A` too, but means something else, is not taken for it. It costs nothing at
 * run time: only the functions that make one, where values come in, say what a bare `A` means.
 */
export type Brand<A, Name extends string> = A & { readonly [brand]: Name };
