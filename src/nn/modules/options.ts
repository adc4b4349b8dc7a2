/** Constructor arguments that PyTorch takes by position as well as by name. */

/**
 * The options of a constructor whose first one may be given by itself: `new LeakyReLU(0.2)` is
 * `new LeakyReLU({ negativeSlope: 0.2 })`, and `new Dropout(0.2, { inplace: true })` has both.
 */
export function leadingOption<O extends object, K extends keyof O>(key: K, first: O[K] | O, rest?: Omit<O, K>): O {
  return typeof first === "object" && first !== null ? (first as O) : ({ ...rest, [key]: first } as unknown as O);
}
