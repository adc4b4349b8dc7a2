/** The tape: one node per recorded operator call, with edges to where its inputs came from. */
import type { DType } from "../core/dtype.ts";
import { OctetError } from "../core/errors.ts";
import type { GradFn, Tensor } from "../tensor/tensor.ts";

/**
 * Where a gradient flows next: into an output of an earlier operator, or into a leaf's `grad`; and what it must look like,
 * which is what the tensor looked like when it was used.
 */
export type Edge = ({ readonly node: GradNode; readonly index: number } | { readonly leaf: Tensor }) & {
  readonly shape: readonly number[];
  readonly dtype: DType;
};

/** One gradient per input edge; null where the rule has none to give. */
export type NodeBackward = (gradients: readonly (Tensor | undefined)[]) => readonly (Tensor | null)[];

/** Sees a gradient on its way and may replace it. */
export type GradHook = (gradient: Tensor) => Tensor | void;

let nextSequence = 0;

export class GradNode implements GradFn {
  readonly name: string;
  /** Creation order: backward runs nodes from the highest to the lowest, so every consumer comes first. */
  readonly sequence = nextSequence++;
  readonly edges: readonly (Edge | null)[];
  /** Hooks per output index, in order of registration. */
  readonly hooks = new Map<number, GradHook[]>();
  private backward: NodeBackward | null;

  constructor(name: string, edges: readonly (Edge | null)[], backward: NodeBackward) {
    this.name = name;
    this.edges = edges;
    this.backward = backward;
  }

  apply(gradients: readonly (Tensor | undefined)[]): readonly (Tensor | null)[] {
    if (!this.backward) {
      throw new OctetError(
        `backward: trying to backward through the graph a second time (${this.name}); ` +
          "the saved values were freed: pass { retainGraph: true } to the first call",
      );
    }
    return this.backward(gradients);
  }

  /** Drops the values that the rule saved. */
  release(): void {
    this.backward = null;
  }
}

/** The edge that a gradient for `tensor` follows, or null if it needs none. */
export function edgeOf(tensor: Tensor): Edge | null {
  const { shape, dtype } = tensor;
  if (tensor.gradFn) return { node: tensor.gradFn as GradNode, index: tensor.outputIndex, shape, dtype };
  return tensor.leafRequiresGrad ? { leaf: tensor, shape, dtype } : null;
}

/**
 * Keeps `tensor` for a gradient rule; the returned function gives it back, and refuses if it was changed in place since.
 * The copy it gives is detached, so that a rule never extends the graph, and so that an output's node does not keep itself alive.
 */
export function saved(tensor: Tensor): () => Tensor {
  const { version } = tensor.storage;
  const kept = tensor.detach();
  return () => {
    if (kept.storage.version !== version) {
      throw new OctetError(
        "backward: one of the variables needed for gradient computation has been modified by an in-place operation " +
          `(shape [${kept.shape.join(", ")}], version ${kept.storage.version}, expected ${version})`,
      );
    }
    return kept;
  };
}
