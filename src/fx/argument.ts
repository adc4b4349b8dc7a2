/** What the arguments of a node may be, and how to walk through them. */

/**
 * An argument of a node: another node, a number, string, boolean, null, an operator, a frozen record such as a dtype, or
 * an array or plain object of these. (Not a finer type, because any frozen record may stand in a graph.)
 */
export type Argument = object | string | number | boolean | null | undefined;

/** The named arguments of a node: the options object of the call. */
export type Kwargs = Readonly<Record<string, Argument>>;

/**
 * True for an object that holds arguments: one written as `{ … }`. Frozen records (dtypes, quantization schemes) are
 * values, and not looked into.
 */
export function isArgumentRecord(value: unknown): value is Kwargs {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** A copy of `argument` in which `fn` has replaced everything that is no array and no plain object. */
export function mapAggregate(argument: Argument, fn: (leaf: Argument) => Argument): Argument {
  if (Array.isArray(argument)) return argument.map((item: Argument) => mapAggregate(item, fn));
  if (!isArgumentRecord(argument)) return fn(argument);
  return mapRecord(argument, (item) => mapAggregate(item, fn));
}

/** A copy of `record` with `fn` applied to its values. */
export function mapRecord(record: Kwargs, fn: (value: Argument, key: string) => Argument): Record<string, Argument> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, fn(value, key)]));
}

/** Calls `fn` with everything in `argument` that is no array and no plain object. */
export function visitAggregate(argument: Argument, fn: (leaf: Argument) => void): void {
  if (Array.isArray(argument)) for (const item of argument as readonly Argument[]) visitAggregate(item, fn);
  else if (isArgumentRecord(argument)) for (const item of Object.values(argument)) visitAggregate(item, fn);
  else fn(argument);
}
