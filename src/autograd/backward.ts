/** Reverse-mode differentiation: walks the tape from outputs to leaves and adds up gradients. */
import { OctetError, formatShape } from "../core/errors.ts";
import { numelOf } from "../core/shape.ts";
import { kernels } from "../kernels/registry.ts";
import { elementsAs } from "../tensor/convert.ts";
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
        const before = found.get(leaf);
        found.set(leaf, before ? accumulate(before, gradient, true) : copyOf(gradient));
      }),
    );
  } finally {
    for (const remove of removers) remove();
  }
  return wanted.map((tensor, i) => {
    const gradient = found.get(tensor);
    if (!gradient && !options.allowUnused) {
      throw new OctetError(`grad: input ${i} was not used in the graph; pass { allowUnused: true } if that is intended`);
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

/** Makes `backward()` fill `grad` of a tensor that an operator made. */
export function retainGrad(tensor: Tensor): void {
  if (tensor.isLeaf) return;
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

type Deliver = (leaf: Tensor, gradient: Tensor, owned: boolean) => void;

function run(
  outputs: readonly Tensor[],
  gradOutputs: readonly (Tensor | null)[] | undefined,
  options: BackwardOptions,
  deliver: Deliver,
): void {
  const pending = new Map<GradNode, (Tensor | undefined)[]>();
  const owned = new WeakSet<Tensor>(); // sums made here, which nobody else holds
  const seen = new Set<Storage>(); // storages already handed to someone
  const send = (edge: Edge, gradient: Tensor) => {
    if ("leaf" in edge) {
      const hooked = runHooks(hooksOfLeaves.get(edge.leaf)?.get(0), gradient);
      const fresh = !seen.has(hooked.storage) && hooked.isContiguous() && hooked.numel() === hooked.storage.data.length;
      seen.add(hooked.storage);
      deliver(edge.leaf, hooked, fresh);
      return;
    }
    let slots = pending.get(edge.node);
    if (!slots) pending.set(edge.node, (slots = []));
    const before = slots[edge.index];
    if (!before) {
      slots[edge.index] = gradient;
      return;
    }
    const sum = accumulate(before, gradient, !owned.has(before));
    owned.add(sum);
    slots[edge.index] = sum;
  };

  outputs.forEach((output, i) => {
    const edge = edgeOf(output);
    if (!edge) throw new OctetError("backward: element 0 of tensors does not require grad and does not have a gradFn");
    const seed = seedFor(output, gradOutputs?.[i] ?? null);
    seen.add(seed.storage);
    send(edge, seed);
  });
  for (const node of reachable(outputs)) {
    const gradients = pending.get(node);
    if (!gradients) continue;
    for (const [index, hooks] of node.hooks) {
      const gradient = gradients[index];
      if (gradient) gradients[index] = runHooks(hooks, gradient);
    }
    const results = node.apply(gradients);
    if (!options.retainGraph) node.release();
    pending.delete(node);
    node.edges.forEach((edge, i) => {
      const gradient = results[i];
      if (edge && gradient) send(edge, gradient);
      // A gradient that went to a node may be shared with a leaf: a rule can return one tensor for two inputs.
      if (gradient && edge && "node" in edge) seen.add(gradient.storage);
    });
  }
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
    if (numelOf(given.shape) !== output.numel() || given.ndim !== output.ndim) {
      throw new OctetError(
        `backward: gradient has shape ${formatShape(given.shape)}, the output has ${formatShape(output.shape)}`,
      );
    }
    return given.detach();
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

/** a + b: into a fresh tensor, or into `a` where nobody else holds it. */
function accumulate(a: Tensor, b: Tensor, fresh: boolean): Tensor {
  const strides = [1];
  const inPlace = !fresh && a.isContiguous();
  const left = a.elements();
  const out = inPlace ? left : a.dtype.allocate(a.numel());
  const layout = { shape: [a.numel()], aStrides: strides, bStrides: strides };
  kernels().binary("add", layout, left, elementsAs(b, a.dtype), out);
  if (!inPlace) return Tensor.fromArray(out, a.shape, a.dtype);
  a.bumpVersion();
  return a;
}

function copyOf(gradient: Tensor): Tensor {
  const data = gradient.elements();
  const own = gradient.isContiguous() ? data.slice() : data;
  return Tensor.fromArray(own, gradient.shape, gradient.dtype);
}
