/** Optimizer: parameter groups, per-parameter state, and what all update rules share (`torch.optim.Optimizer`). */
import type { FloatArray } from "../core/dtype.ts";
import { float32, float64 } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import { enableGrad, noGrad } from "../autograd/grad-mode.ts";
import { floatElements, storeElements } from "../tensor/convert.ts";
import { Tensor } from "../tensor/tensor.ts";

/** Parameters that share hyperparameters. What a group leaves out is taken from the optimizer's options. */
export type ParamGroup<O> = { params: Tensor[] } & O;

/** What an optimizer's constructor takes: parameters, or groups with their own options. */
export type Params<O> = Iterable<Tensor> | Iterable<{ params: Iterable<Tensor> } & Partial<O>>;

/** The state of one parameter: step counts and running averages, by name. */
export type ParameterState = Map<string, FloatArray | number>;

/** A snapshot that {@link Optimizer.loadStateDict} takes back; parameters are numbered in group order, as in PyTorch. */
export interface OptimizerStateDict<O> {
  state: Map<number, ParameterState>;
  paramGroups: ({ params: number[] } & O)[];
}

/** One update of one parameter: writes `p` in place from its gradient `g`. */
export type Update = (p: FloatArray, g: FloatArray) => void;

export abstract class Optimizer<O extends { lr: number }> {
  readonly paramGroups: ParamGroup<O>[] = [];
  protected readonly defaults: O;
  protected readonly state = new Map<Tensor, ParameterState>();

  constructor(params: Params<O>, defaults: O) {
    this.defaults = defaults;
    const list = [...params] as (Tensor | ({ params: Iterable<Tensor> } & Partial<O>))[];
    if (!list.length) throw new OctetError(`${this.constructor.name}: got an empty parameter list`);
    if (list.every((item) => item instanceof Tensor)) this.addParamGroup({ params: list } as never);
    else for (const group of list) this.addParamGroup(group as { params: Iterable<Tensor> } & Partial<O>);
  }

  /** Adds parameters with options of their own, for example when frozen layers are thawed. */
  addParamGroup(group: { params: Iterable<Tensor> } & Partial<O>): void {
    const params = [...group.params];
    const known = new Set(this.paramGroups.flatMap((g) => g.params));
    for (const p of params) {
      if (!(p instanceof Tensor)) throw new OctetError(`${this.constructor.name}: can only optimize tensors`);
      if (!p.isLeaf) throw new OctetError(`${this.constructor.name}: can't optimize a non-leaf tensor`);
      if (known.has(p)) throw new OctetError(`${this.constructor.name}: a parameter appears in more than one group`);
      known.add(p);
    }
    this.paramGroups.push({ ...this.defaults, ...group, params });
  }

  /** Forgets the gradients, or with `setToNone: false` fills them with zeros. */
  zeroGrad(options: { setToNone?: boolean } = {}): void {
    for (const { params } of this.paramGroups) {
      for (const p of params) {
        if (options.setToNone ?? true) p.grad = null;
        else if (p.grad) p.grad = Tensor.zeros(p.grad.shape, p.grad.dtype);
      }
    }
  }

  /**
   * Updates every parameter that has a gradient. `closure`, if given, re-evaluates the model first and its loss is
   * returned.
   */
  step(): void;
  step(closure: () => Tensor): Tensor;
  step(closure?: () => Tensor): Tensor | void {
    const loss = closure && enableGrad(closure);
    noGrad(() => {
      for (const group of this.paramGroups) {
        for (const p of group.params) if (p.grad) apply(p, p.grad, this.updateFor(p, group));
      }
    });
    return loss;
  }

  /** The rule for one parameter of a group, with its state brought up to date for this step. */
  protected abstract updateFor(parameter: Tensor, group: ParamGroup<O>): Update;

  /** The state of a parameter, made at its first step. */
  protected stateOf(parameter: Tensor, create: () => ParameterState): ParameterState {
    let state = this.state.get(parameter);
    if (!state) this.state.set(parameter, (state = create()));
    return state;
  }

  stateDict(): OptimizerStateDict<O> {
    const indices = new Map(this.paramGroups.flatMap((g) => g.params).map((p, i) => [p, i]));
    const state = new Map([...this.state].map(([p, s]) => [indices.get(p) as number, copyState(s)]));
    const paramGroups = this.paramGroups.map((g) => ({ ...g, params: g.params.map((p) => indices.get(p) as number) }));
    return { state, paramGroups };
  }

  loadStateDict(saved: OptimizerStateDict<O>): void {
    const sizes = (groups: readonly { params: readonly unknown[] }[]) => groups.map((g) => g.params.length).join(", ");
    if (sizes(saved.paramGroups) !== sizes(this.paramGroups)) {
      throw new OctetError(
        `${this.constructor.name}: the loaded state has groups of ${sizes(saved.paramGroups)} parameters, ` +
          `this optimizer of ${sizes(this.paramGroups)}`,
      );
    }
    const params = this.paramGroups.flatMap((g) => g.params);
    const numbers = saved.paramGroups.flatMap((g) => g.params);
    this.state.clear();
    params.forEach((p, i) => {
      const state = saved.state.get(numbers[i]);
      if (!state) return;
      for (const [key, value] of state) {
        if (typeof value !== "number" && value.length !== p.numel()) {
          throw new OctetError(
            `${this.constructor.name}: state "${key}" of parameter ${i} has ${value.length} elements, expected ${p.numel()}`,
          );
        }
      }
      this.state.set(p, copyState(state));
    });
    saved.paramGroups.forEach((group, i) =>
      Object.assign(this.paramGroups[i], { ...group, params: this.paramGroups[i].params }),
    );
  }
}

function copyState(state: ParameterState): ParameterState {
  return new Map([...state].map(([k, v]) => [k, typeof v === "number" ? v : v.slice()]));
}

/** Runs an update over the elements, and writes them back where they had to be copied to be contiguous or wide enough. */
function apply(p: Tensor, gradient: Tensor, update: Update): void {
  const elements = floatElements(p, p.dtype);
  update(elements, floatElements(gradient, p.dtype === float64 ? float64 : float32));
  if (elements.buffer === p.storage.data.buffer) {
    p.bumpVersion();
  } else {
    const dtype = elements instanceof Float64Array ? float64 : float32;
    storeElements("step", p, Tensor.fromArray(elements, p.shape, dtype));
  }
}

/** A zero-filled state array for a parameter, in the type its update runs in. */
export function zerosFor(parameter: Tensor): FloatArray {
  return parameter.dtype === float64 ? new Float64Array(parameter.numel()) : new Float32Array(parameter.numel());
}

/** Checks a hyperparameter; the error names the optimizer, the option and the value. */
export function checkOption(optimizer: string, option: string, value: number, ok: boolean): void {
  if (!ok) throw new OctetError(`${optimizer}: invalid ${option}: ${value}`);
}
