/** Deep copies of modules and of the plain data they hold (`copy.deepcopy`). */
import { Tensor } from "../tensor/tensor.ts";
import { Callable, makeCallable } from "./callable.ts";

/** Method that may put copies of parts of an object into the memo before the object is copied, where the usual way fails. */
export const BEFORE_DEEP_COPY = Symbol("beforeDeepCopy");

interface CopiesParts {
  [BEFORE_DEEP_COPY]?(memo: Map<unknown, unknown>): void;
}

/** Properties that every function owns; they belong to the new closure, not to the copy. */
const FUNCTION_OWN = new Set(["length", "name", "prototype"]);

/**
 * A copy of `value` that shares no tensor, module, array, Map, Set or object with it. What is shared inside stays shared
 * in the copy. Functions and other primitives are kept as they are; gradients and graph history are not copied.
 */
export function deepCopy<T>(value: T, memo: Map<unknown, unknown> = new Map()): T {
  if (value === null || (typeof value !== "object" && !(value instanceof Callable))) return value;
  const known = memo.get(value);
  if (known !== undefined) return known as T;
  return copyObject(value, memo) as T;
}

function copyObject(value: object, memo: Map<unknown, unknown>): unknown {
  if (value instanceof Tensor) return copyTensor(value, memo);
  if (ArrayBuffer.isView(value)) return remember(memo, value, (value as Float32Array).slice());
  if (value instanceof Map) {
    const copy = remember(memo, value, new Map<unknown, unknown>());
    for (const [k, v] of value) copy.set(deepCopy(k, memo), deepCopy(v, memo));
    return copy;
  }
  if (value instanceof Set) {
    const copy = remember(memo, value, new Set<unknown>());
    for (const v of value) copy.add(deepCopy(v, memo));
    return copy;
  }
  if (Object.isFrozen(value)) return value; // dtypes, recipes and other constants
  (value as CopiesParts)[BEFORE_DEEP_COPY]?.(memo);
  const prototype = Object.getPrototypeOf(value) as object;
  const empty = Array.isArray(value)
    ? []
    : value instanceof Callable
      ? makeCallable(prototype)
      : Object.create(prototype);
  const copy = remember(memo, value, empty as Record<string | symbol, unknown>);
  for (const key of Reflect.ownKeys(value)) {
    if (value instanceof Callable && FUNCTION_OWN.has(key as string)) continue;
    const descriptor = Object.getOwnPropertyDescriptor(value, key) as PropertyDescriptor;
    if ("value" in descriptor) descriptor.value = deepCopy(descriptor.value, memo);
    Object.defineProperty(copy, key, descriptor);
  }
  return copy;
}

function remember<T>(memo: Map<unknown, unknown>, original: unknown, copy: T): T {
  memo.set(original, copy);
  return copy;
}

/** The same class, values and `requiresGrad`, in contiguous storage of its own. */
function copyTensor(tensor: Tensor, memo: Map<unknown, unknown>): Tensor {
  const elements = tensor.elements();
  const data = elements.buffer === tensor.storage.data.buffer ? elements.slice() : elements;
  const copy = Object.create(Object.getPrototypeOf(tensor) as object) as Tensor;
  Object.assign(copy, tensor, {
    storage: { data, version: 0 },
    strides: Tensor.fromArray(data, tensor.shape, tensor.dtype).strides,
    offset: 0,
    base: null,
    grad: null,
    gradFn: null,
  });
  copy.leafRequiresGrad = tensor.requiresGrad;
  return remember(memo, tensor, copy);
}
