/** Vitest setup: modules are functions, so equality and snapshots need to be told what to look at. */
import { expect } from "vitest";
import { Module } from "../src/nn/module.ts";

expect.addSnapshotSerializer({
  test: (value) => value instanceof Module,
  serialize: (value: Module) => value.toString(),
});

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
