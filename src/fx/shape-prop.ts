/** Notes the shape and dtype of every value of a graph, found by running it on an example (`torch.fx` ShapeProp). */
import type { DType } from "../core/dtype.ts";
import type { QScheme } from "../core/qparams.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Argument } from "./argument.ts";
import { mapAggregate, visitAggregate } from "./argument.ts";
import { Interpreter } from "./interpreter.ts";
import type { FxNode } from "./node.ts";

/** What is known about a tensor without its elements. */
export interface TensorMetadata {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly requiresGrad: boolean;
  readonly stride: readonly number[];
  readonly isQuantized: boolean;
  /** The scheme of a quantized tensor, else null. */
  readonly qscheme: QScheme | null;
}

/**
 * Writes `meta.tensorMeta` of every node whose value holds tensors: a {@link TensorMetadata}, or the arrays and objects of
 * the value with one in place of every tensor.
 */
export class ShapeProp extends Interpreter {
  override runNode(node: FxNode): unknown {
    const value = super.runNode(node);
    let hasTensor = false;
    visitAggregate(value as Argument, (leaf) => (hasTensor ||= leaf instanceof Tensor));
    if (hasTensor) {
      node.meta.tensorMeta = mapAggregate(value as Argument, (leaf) =>
        leaf instanceof Tensor ? tensorMetadata(leaf) : leaf,
      );
    }
    return value;
  }

  /** Runs the graph on example inputs. */
  propagate(...inputs: readonly unknown[]): unknown {
    return this.run(...inputs);
  }
}

function tensorMetadata(tensor: Tensor): TensorMetadata {
  return Object.freeze({
    shape: [...tensor.shape],
    dtype: tensor.dtype,
    requiresGrad: tensor.requiresGrad,
    stride: [...tensor.strides],
    isQuantized: tensor.isQuantized,
    qscheme: tensor.quantizer?.qscheme ?? null,
  });
}
