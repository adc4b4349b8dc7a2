/** Reverse-mode differentiation: walks the tape from outputs to leaves and adds up gradients. */
import { OctetError, formatShape } from "../core/errors.ts";
import { sameShape } from "../core/shape.ts";
import { kernels } from "../kernels/registry.ts";
import { computeDtype, elementsAs, tensorFromComputed } from "../tensor/convert.ts";
import type { Storage } from "../tensor/tensor.ts";
import { Tensor } from "../tensor/tensor.ts";
import { noGrad } from "./grad-mode.ts";
import type { Edge, GradHook } from "./node.ts";
import { GradNode, edgeOf } from "./node.ts";

export interface BackwardOptions {
  /** Keeps saved values, so that `backward` can run again over the same graph. */
  readonly retainGraph?: boolean;
}

/**
 * Adds to `grad` of every leaf the gradient of `outputs`, each weighted by its entry of `gradOutputs` (default: 1 for a
 * one-element output).
 */
export function backward(
  outputs: readonly Tensor[],
  gradOutputs?: readonly (Tensor | null)[],
  options: BackwardOptions = {},
): void {
  noGrad(() =>
    run(outputs, gradOutputs, options, (leaf, gradient, owned) => {
      leaf.grad = leaf.grad ? accumulate(leaf.grad, gradient, false) : owned ? gradient : copyOf(gradient);
    }),
  );
}

/**
 * Gradients of `outputs` with respect to `inputs`, without touching any `grad` field (`torch.autograd.grad`). An input
 * that the outputs do not depend on is an error, unless `allowUnused` is set: then its entry is null.
 */
export function grad(
  outputs: Tensor | readonly Tensor[],
  inputs: Tensor | readonly Tensor[],
  options: BackwardOptions & { gradOutputs?: readonly (Tensor | null)[]; allowUnused?: boolean } = {},
): (Tensor | null)[] {
  const wanted = inputs instanceof Tensor ? [inputs] : inputs;
  const found = new Map<Tensor, Tensor>();
  const removers = wanted.map((tensor) => {
    if (!tensor.requiresGrad) throw new OctetError("grad: one of the inputs does not require grad");
    return tensor.isLeaf ? () => {} : registerHook(tensor, (gradient) => void found.set(tensor, copyOf(gradient)));
  });
  try {
    noGrad(() =>
      run(outputs instanceof Tensor ? [outputs] : outputs, options.gradOutputs, options, (leaf, gradient) => {
        if (!wanted.includes(leaf)) return;
        found.set(leaf, copyOf(gradient));
      }),
    );
  } finally {
    for (const remove of removers) remove();
  }
  return wanted.map((tensor, i) => {
    const gradient = found.get(tensor);
    if (!gradient && !options.allowUnused) {
      throw new OctetError(
        `grad: input ${i} was not used in the graph; pass { allowUnused: true } if that is intended`,
      );
    }
    return gradient ?? null;
  });
}

/** Calls `hook` with each gradient that reaches `tensor`; what it returns replaces the gradient. Returns the remover. */
export function registerHook(tensor: Tensor, hook: GradHook): () => void {
  if (!tensor.requiresGrad) throw new OctetError("registerHook: the tensor does not require a gradient");
  const owner = tensor.gradFn instanceof GradNode ? tensor.gradFn.hooks : leafHooks(tensor);
  const index = tensor.gradFn ? tensor.outputIndex : 0;
  const list = owner.get(index) ?? [];
  owner.set(index, [...list, hook]);
  return () => {
    const hooks = (owner.get(index) ?? []).filter((h) => h !== hook);
    if (hooks.length) owner.set(index, hooks);
    else owner.delete(index);
  };
}

const retaining = new WeakSet<Tensor>();

/** Makes `backward()` fill `grad` of a tensor that an operator made. Asking twice changes nothing. */
export function retainGrad(tensor: Tensor): void {
  if (!tensor.requiresGrad)
    throw new OctetError("retainGrad: can't retain the grad of a tensor that has requiresGrad=false");
  if (tensor.isLeaf || retaining.has(tensor)) return;
  retaining.add(tensor);
  registerHook(tensor, (gradient) => {
    tensor.grad = tensor.grad ? accumulate(tensor.grad, gradient, false) : copyOf(gradient);
  });
}

const hooksOfLeaves = new WeakMap<Tensor, Map<number, GradHook[]>>();

function leafHooks(leaf: Tensor): Map<number, GradHook[]> {
  let hooks = hooksOfLeaves.get(leaf);
  if (!hooks) hooksOfLeaves.set(leaf, (hooks = new Map()));
  return hooks;
}

/** Gets the whole gradient of a leaf; `owned` if nobody else holds that tensor. */
type Deliver = (leaf: Tensor, gradient: Tensor, owned: boolean) => void;

/**
 * Runs the graph backwards. Gradients that arrive at the same place are added up: into a sum of this run's own where there
 * is one already. `shared` keeps the storages that somebody else may still read, so that no leaf comes to own one.
 */
function run(
  outputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null)[] | undefined,
  options: BackwardOptions,
  deliver: Deliver,
): void {
  const atNodes = new Map<GradNode, (Tensor | undefined)[]>();
  const atLeaves = new Map<Tensor, Tensor>();
  const sums = new WeakSet<Tensor>(); // made here, and not yet given to a rule
  const shared = new Set<Storage>();
  const plus = (before: Tensor | undefined, gradient: Tensor): Tensor => {
    if (!before) return gradient;
    const sum = accumulate(before, gradient, !sums.has(before));
    sums.add(sum);
    return sum;
  };
  const send = (edge: Edge, gradient: Tensor): void => {
    if ("leaf" in edge) {
      atLeaves.set(edge.leaf, plus(atLeaves.get(edge.leaf), gradient));
      return;
    }
    let slots = atNodes.get(edge.node);
    if (!slots) atNodes.set(edge.node, (slots = []));
    slots[edge.index] = plus(slots[edge.index], gradient);
  };

  outputs.forEach((output, i) => {
    const edge = edgeOf(output);
    if (!edge)
      throw new OctetError(`backward: element ${i} of tensors does not require grad and does not have a gradFn`);
    const seed = seedFor(output, gradOutputs?.[i] ?? null);
    shared.add(seed.storage);
    send(edge, seed);
  });
  for (const node of reachable(outputs)) {
    const gradients = atNodes.get(node);
    if (!gradients) continue;
    atNodes.delete(node);
    for (const [index, hooks] of node.hooks) {
      const gradient = gradients[index];
      if (gradient) gradients[index] = runHooks(hooks, gradient);
    }
    // From here on the rule may hand a sum on to several inputs: it must not be added to any more.
    for (const gradient of gradients) if (gradient) sums.delete(gradient);
    const results = node.apply(gradients);
    if (!options.retainGraph) node.release();
    node.edges.forEach((edge, i) => {
      const gradient = edge && results[i];
      if (!gradient) return;
      if ("node" in edge) shared.add(gradient.storage);
      send(edge, fitting(gradient, edge, node, i));
    });
  }
  for (const [leaf, gradient] of atLeaves) {
    const hooks = hooksOfLeaves.get(leaf)?.get(0);
    const hooked = runHooks(hooks, gradient);
    const whole = hooked.isContiguous() && hooked.numel() === hooked.storage.data.length;
    deliver(leaf, hooked, whole && !hooks && !shared.has(hooked.storage));
    shared.add(hooked.storage);
  }
}

/** A rule's gradient for input `i` in the dtype of that input; another shape is a mistake in the rule. */
function fitting(gradient: Tensor, edge: Edge, node: GradNode, i: number): Tensor {
  if (!sameShape(gradient.shape, edge.shape)) {
    throw new OctetError(
      `backward: the gradient rule of ${node.name} returned shape ${formatShape(gradient.shape)} for tensor ${i}, ` +
        `whose shape is ${formatShape(edge.shape)}`,
    );
  }
  if (gradient.dtype === edge.dtype) return gradient;
  return Tensor.fromArray(elementsAs(gradient, edge.dtype), gradient.shape, edge.dtype);
}

/** Every node that the outputs depend on, consumers first. */
function reachable(outputs: readonly Tensor[]): GradNode[] {
  const nodes = new Set<GradNode>();
  const stack = outputs.flatMap((o) => (o.gradFn ? [o.gradFn as GradNode] : []));
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (nodes.has(node)) continue;
    nodes.add(node);
    for (const edge of node.edges) if (edge && "node" in edge) stack.push(edge.node);
  }
  return [...nodes].sort((a, b) => b.sequence - a.sequence);
}

function seedFor(output: Tensor, given: Tensor | null): Tensor {
  if (given) {
    if (!sameShape(given.shape, output.shape)) {
      throw new OctetError(
        `backward: gradient has shape ${formatShape(given.shape)}, the output has ${formatShape(output.shape)}`,
      );
    }
    if (given.dtype === output.dtype) return given.detach();
    return Tensor.fromArray(elementsAs(given, output.dtype), output.shape, output.dtype);
  }
  if (output.numel() !== 1) {
    throw new OctetError(
      `backward: grad can be implicitly created only for scalar outputs, this one has shape ${formatShape(output.shape)}`,
    );
  }
  const one = Tensor.zeros(output.shape, output.dtype);
  one.writeAt(0, 1);
  return one;
}

function runHooks(hooks: readonly GradHook[] | undefined, gradient: Tensor): Tensor {
  let current = gradient;
  for (const hook of hooks ?? []) current = hook(current) ?? current;
  return current;
}

/** a + b: into a fresh tensor, or into `a` where nobody else holds it. float16 is added in float32. */
function accumulate(a: Tensor, b: Tensor, fresh: boolean): Tensor {
  const compute = computeDtype(a.dtype);
  const inPlace = !fresh && a.isContiguous() && compute === a.dtype;
  const left = elementsAs(a, compute);
  const out = inPlace ? left : compute.allocate(a.numel());
  const layout = { shape: [a.numel()], aStrides: [1], bStrides: [1] };
  kernels().binary("add", layout, left, elementsAs(b, compute), out);
  if (!inPlace) return tensorFromComputed(out, a.shape, a.dtype);
  a.bumpVersion();
  return a;
}

function copyOf(gradient: Tensor): Tensor {
  const data = gradient.elements();
  const own = gradient.isContiguous() ? data.slice() : data;
  return Tensor.fromArray(own, gradient.shape, gradient.dtype);
}
