/** The same while it is made, or where it is changed in place. */
export type Writable<A> = { -readonly [Field in keyof A]: A[Field] };
