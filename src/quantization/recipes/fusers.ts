/** How runs of float modules become one: by folding a batch norm, or by wrapping them to be quantized as one. */
import { OctetError } from "../../core/errors.ts";
import type { Module } from "../../nn/module.ts";
import type { RunningNorm } from "../../nn/modules/norm.ts";
import type { Foldable } from "../../nn/utils/fusion.ts";
import { fuseBnEval } from "../../nn/utils/fusion.ts";
import type { Fuser } from "./recipe.ts";

// eslint-disable-next-line typescript/no-explicit-any -- each fused class takes its own parts
type FusedClass = new (...modules: any[]) => Module;

/** Wraps the modules as they are (`_sequential_wrapper2`). */
export function wrapInto(target: FusedClass): Fuser {
  return (_isQat, ...modules) => new target(...modules);
}

function checkModes(what: string, layer: Module, bn: Module): void {
  if (layer.training !== bn.training) throw new OctetError(`${what} both must be in the same mode (train or eval).`);
}

/** Folds the batch norm for inference; keeps it beside the convolution, in `trained`, for training. */
export function fuseConvBn(trained: FusedClass): Fuser {
  return (isQat, conv, bn) => {
    checkModes("Conv and BN", conv, bn);
    return isQat ? new trained(conv, bn) : fuseBnEval(conv as Foldable, bn as RunningNorm);
  };
}

/** As {@link fuseConvBn} with a ReLU behind: `evaluated` holds the folded convolution and the ReLU. */
export function fuseConvBnRelu(trained: FusedClass, evaluated: FusedClass): Fuser {
  return (isQat, conv, bn, relu) => {
    checkModes("Conv and BN", conv, bn);
    if (isQat) return new trained(conv, bn, relu);
    return new evaluated(fuseBnEval(conv as Foldable, bn as RunningNorm), relu);
  };
}

export function fuseLinearBn(trained: FusedClass): Fuser {
  return (isQat, linear, bn) => {
    checkModes("Linear and BN", linear, bn);
    return isQat ? new trained(linear, bn) : fuseBnEval(linear as Foldable, bn as RunningNorm);
  };
}

/** Folds the batch norm and wraps what is left with the LeakyReLU; there is no form for training. */
export function fuseLinearBnLeakyRelu(evaluated: FusedClass): Fuser {
  return (isQat, linear, bn, leakyRelu) => {
    if (linear.training !== bn.training || bn.training !== leakyRelu.training) {
      throw new OctetError("Linear, BN and LeakyReLU all must be in the same mode (train or eval).");
    }
    if (isQat) throw new OctetError("Cannot fuse train modules: Linear, BatchNorm1d and LeakyReLU");
    return new evaluated(fuseBnEval(linear as Foldable, bn as RunningNorm), leakyRelu);
  };
}

/** Folds the batch norm; there is no form for training. */
export const fuseConvTransposeBn: Fuser = (isQat, conv, bn) => {
  checkModes("ConvTranspose and BN", conv, bn);
  if (isQat) throw new OctetError("Fusing ConvTranspose+BatchNorm not yet supported in QAT.");
  return fuseBnEval(conv as Foldable, bn as RunningNorm, { transpose: true });
};
