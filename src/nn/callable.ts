/**
 * Objects that are called like functions, so that `net(x)` works as in PyTorch.
 *
 * The constructor returns a closure whose prototype is the class's: `new Net()` is a function and an instance of Net at
 * once. This costs nothing per call. The alternatives do: `extends Function` needs `eval` (refused by content security
 * policies), and a Proxy makes every property access about forty times slower.
 *
 * Two rules follow for subclasses: no fields called `name` or `length` (functions own read-only ones), and no `#private`
 * fields (they would be lost on a deep copy).
 */

/** Method that runs when the object is called. A symbol, so that no user method can collide with it. */
export const CALL = Symbol("call");

interface CallTarget {
  [CALL](...args: readonly unknown[]): unknown;
}

/** A fresh callable with the given prototype and no own fields. */
export function makeCallable<T extends object>(prototype: T): T {
  // The closure is made by a helper and stays anonymous, so that bundlers that keep function names leave it alone.
  const self = anonymous((...args) => (self as unknown as CallTarget)[CALL](...args));
  return Object.setPrototypeOf(self, prototype) as T;
}

function anonymous(call: (...args: readonly unknown[]) => unknown) {
  return call;
}

/** Base without fields: its constructor's return value becomes `this` for the fields of the classes above it. */
export class Callable {
  constructor() {
    return makeCallable(Object.getPrototypeOf(this) as Callable);
  }
}
Object.setPrototypeOf(Callable.prototype, Function.prototype);
