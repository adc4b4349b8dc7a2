/** FloatFunctional records a module call for every result; in graph mode the operators themselves are to be seen. */
import type { Module } from "../../nn/module.ts";
import { FXFloatFunctional, FloatFunctional } from "../recipes/functional.ts";

/** Puts an FXFloatFunctional in the place of every FloatFunctional below `module`. */
export function swapFloatFunctionals(module: Module): void {
  for (const [name, child] of module.namedChildren()) {
    if (child instanceof FloatFunctional) module.setChild(name, new FXFloatFunctional());
    else swapFloatFunctionals(child);
  }
}
