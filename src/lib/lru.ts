/**
 * Options of an LRUCache that keeps `max` entries. Its own `max` takes the places of all of them when it is made: for
 * 100,000 some 9 ms and 3 MB, which the collector walks through ever after, whether they are used or not.
 */
export const entriesMax = (max: number): { readonly maxSize: number; readonly sizeCalculation: () => number } => ({
  maxSize: max,
  sizeCalculation: () => 1,
});
