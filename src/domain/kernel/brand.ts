declare const brand: unique symbol;

/**
 * An `A` of one meaning, so that what is an `A` too, but means something else, is not taken for it. It costs nothing at
 * run time: only the functions that make one, where values come in, say what a bare `A` means.
 */
export type Brand<A, Name extends string> = A & { readonly [brand]: Name };

/**
 * An `A` of one meaning, where a bare `A` fits too, but nothing of another meaning. Ids and sequences are flavored where
 * revisions and positions are branded: they come in everywhere, as claims, JSON and rows, and to say so at each such
 * place would keep no mistake out; what must not happen is that one is taken for the other. The key is a brand's own, so
 * that a revision is no sequence either.
 */
export type Flavor<A, Name extends string> = A & { readonly [brand]?: Name };
