/**
 * Quantized forms of float modules whose weights, if they have any, stay float: the float class with the qparams that its
 * output is rounded to, which are printed nowhere and saved after what the float class saves.
 */
import type { Module } from "../../nn/module.ts";
import type { LoadContext, StateDict } from "../../nn/state-dict.ts";
import { loadOutputQparams, saveOutputQparams } from "./output-qparams.ts";
import { outputQparams } from "./weight.ts";

// eslint-disable-next-line typescript/no-explicit-any -- what TypeScript asks of a class to be extended by a function
type Extensible = new (...args: any[]) => Module;

export interface OnGrid {
  /** Qparams of the output. */
  scale: number;
  zero_point: number;
  setOutputQparams(scale: number, zeroPoint: number): void;
}

/** Adds {@link OnGrid} to a class of instances. */
// eslint-disable-next-line typescript/no-explicit-any -- as above
type AddsGrid = new (...args: any[]) => OnGrid;

export interface OnGridOptions {
  /**
   * False where PyTorch keeps the qparams in plain attributes, which its state dicts leave out. They are saved here all the
   * same, so that a converted model can be loaded, and a state dict without them leaves them as they are.
   */
  readonly savedByPyTorch?: boolean;
}

/** The class `Float` with qparams of its output. Its subclasses are called "Quantized" and their own name. */
export function onGrid<C extends Extensible>(Float: C, { savedByPyTorch = true }: OnGridOptions = {}): C & AddsGrid {
  const made = class extends (Float as Extensible) implements OnGrid {
    scale = 1;
    zero_point = 0;

    setOutputQparams(scale: number, zeroPoint: number): void {
      this.scale = scale;
      this.zero_point = zeroPoint;
    }

    override getName(): string {
      return `Quantized${super.getName()}`;
    }

    override saveToStateDict(state: StateDict, prefix: string): void {
      super.saveToStateDict(state, prefix);
      saveOutputQparams(this, state, prefix);
    }

    override loadFromStateDict(context: LoadContext, prefix: string): string[] {
      const known = super.loadFromStateDict(context, prefix);
      if (!savedByPyTorch && !context.state.has(`${prefix}scale`)) return known;
      return [...known, ...loadOutputQparams(this, context, prefix)];
    }
  };
  return made as unknown as C & AddsGrid;
}

/** What the observer of a prepared module found, as arguments of `fromReference`. */
export function observedGrid(module: Module): [scale: number, zeroPoint: number] {
  const { scale, zeroPoint } = outputQparams(module);
  return [scale, zeroPoint];
}
