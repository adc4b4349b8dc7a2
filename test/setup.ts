/** Vitest setup: modules are functions and tensors iterable, so equality and snapshots need to be told what to look at. */
import { expect } from "vitest";
import { Module } from "../src/nn/module.ts";
import { Tensor } from "../src/tensor/tensor.ts";

expect.addSnapshotSerializer({
  test: (value) => value instanceof Module,
  serialize: (value: Module) => value.toString(),
});

/** Two tensors are equal if dtype, shape and values are. (Vitest would compare them as the iterables that they are.) */
expect.addEqualityTesters([
  function tensorsEqual(a: unknown, b: unknown): boolean | undefined {
    if (!(a instanceof Tensor) && !(b instanceof Tensor)) return undefined;
    if (!(a instanceof Tensor && b instanceof Tensor) || a.dtype !== b.dtype) return false;
    return this.equals([a.shape, a.tolist()], [b.shape, b.tolist()]);
  },
]);

/** Two modules are equal if they print alike and their states hold the same values. */
expect.addEqualityTesters([
  function modulesEqual(a: unknown, b: unknown): boolean | undefined {
    if (!(a instanceof Module) && !(b instanceof Module)) return undefined;
    if (!(a instanceof Module && b instanceof Module) || a.toString() !== b.toString()) return false;
    return this.equals([...stateOf(a)], [...stateOf(b)]);
  },
]);

function* stateOf(module: Module): Iterable<[string, readonly number[], unknown]> {
  for (const [key, tensor] of module.stateDict()) yield [key, tensor.shape, tensor.tolist()];
}
