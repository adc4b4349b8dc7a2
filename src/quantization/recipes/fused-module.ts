/** The base of float modules that stand for several in a row and are quantized as one (`_FusedModule`). */
import { OctetError } from "../../core/errors.ts";
import type { Module } from "../../nn/module.ts";
import { Sequential } from "../../nn/modules/container.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { ModuleClass } from "./recipe.ts";

export class FusedModule extends Sequential {
  /** The classes of the parts, in order. */
  static readonly parts: readonly ModuleClass[] = [];

  /** Runs the parts, but not the observer of their output, which stands beside them. */
  override forward(x: Tensor): Tensor {
    let value: unknown = x;
    for (const part of this.items.values()) value = part(value);
    return value as Tensor;
  }
}

/** A class of fused modules called `className` whose parts must be exactly of the given classes, in order. */
export function fusedClass<P extends readonly Module[]>(
  className: string,
  parts: readonly ModuleClass[],
): new (...modules: P) => FusedModule {
  const made = class extends FusedModule {
    static override readonly parts = parts;

    constructor(...modules: P) {
      super(...modules);
      const fits = modules.length === parts.length && modules.every((m, i) => (m.constructor as unknown) === parts[i]);
      if (fits) return;
      const given = modules.map((m) => m.getName()).join(", ");
      throw new OctetError(
        `${className}: Incorrect types for input modules: got ${given}, expected ${parts.map((p) => p.name).join(", ")}`,
      );
    }
  };
  return Object.defineProperty(made, "name", { value: className });
}
