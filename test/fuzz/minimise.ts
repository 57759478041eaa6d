/** Makes a find smaller: leaves out what it does not need (Zeller's ddmin). */

/**
 * The smallest list, by leaving out runs of items, that still fails.
 *
 * @param fails must be true for `items`
 * @param mayGoOn asked before each attempt: the time for it is bounded
 */
export async function minimise<Item>(
  items: readonly Item[],
  fails: (items: readonly Item[]) => boolean | Promise<boolean>,
  mayGoOn: () => boolean,
): Promise<readonly Item[]> {
  let smallest = items
  for (let run = smallest.length >> 1; run >= 1; run >>= 1) {
    for (let at = 0; at < smallest.length && mayGoOn();) {
      const without = smallest.filter((_, index) => index < at || index >= at + run)
      if (without.length < smallest.length && (await fails(without))) smallest = without
      else at += run
    }
  }
  return smallest
}
