/** How the functions of src/ops/{activation,softmax,dropout}.ts, and their modules, are called. */
import { manualSeed } from "../../src/core/rng.ts";
import { dtypeFromName } from "../../src/core/dtype.ts";
import * as activation from "../../src/ops/activation.ts";
import { add } from "../../src/ops/arithmetic.ts";
import { clone } from "../../src/ops/copy.ts";
import * as dropout from "../../src/ops/dropout.ts";
import * as ops from "../../src/ops/softmax.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import type { Kwargs, OpCase, OpTable } from "./types.ts";
import { direct, onCopy } from "./types.ts";

const EDGES = "kinks, infinities and NaN";

/** Those that can work in place are given a copy. */
function pointwise(op: (x: Tensor, options: Kwargs) => Tensor, ...edges: readonly string[]): OpCase {
  return {
    call: ({ x }, kwargs) => op(kwargs.inplace ? clone(x) : x, kwargs),
    noDifferences: Object.fromEntries(edges.map((name) => [name, EDGES])),
  };
}

function softmaxCase(op: typeof ops.softmax): OpCase {
  return {
    call: ({ x }, { dim, dtype }) =>
      op(x, dim as number | undefined, dtype ? { dtype: dtypeFromName(dtype as string) } : {}),
  };
}

/** Draws from the seed that the golden data was made with. */
function dropoutCase(op: dropout.DropoutOp): OpCase {
  return {
    call: ({ x }, kwargs) => {
      manualSeed(7);
      if (kwargs.training === false) return add(op(x, kwargs), 0); // the input itself is not an output of an operator
      return op(kwargs.inplace ? clone(x) : x, kwargs);
    },
  };
}

const inplaceModule: OpCase = {
  run: (module, { x }) => (module as { inplace?: boolean }).inplace ? module(clone(x)) : module(x), // prettier-ignore
};

const dropoutModule: OpCase = {
  run: (module, { x }) => {
    manualSeed(7);
    return module.training ? module(x) : add(module(x) as Tensor, 0);
  },
};

export const activationCases: OpTable = {
  relu: pointwise(activation.relu, "relu_edges"),
  relu6: pointwise(activation.relu6, "relu6_edges"),
  hardtanh: pointwise(activation.hardtanh, "hardtanh_edges"),
  hardswish: pointwise(activation.hardswish, "hardswish_edges"),
  hardsigmoid: pointwise(activation.hardsigmoid, "hardsigmoid_edges"),
  elu: pointwise(activation.elu, "elu_edges"),
  celu: pointwise(activation.celu, "celu_edges"),
  selu: pointwise(activation.selu, "selu_edges"),
  gelu: pointwise(activation.gelu, "gelu_edges", "gelu_tanh_edges"),
  silu: pointwise(activation.silu, "silu_edges"),
  mish: pointwise(activation.mish, "mish_edges"),
  leakyRelu: pointwise(activation.leakyRelu, "leaky_relu_edges"),
  logsigmoid: pointwise(activation.logsigmoid, "logsigmoid_edges"),
  softplus: pointwise(activation.softplus, "softplus_edges"),
  softsign: pointwise(activation.softsign, "softsign_edges"),
  tanhshrink: pointwise(activation.tanhshrink, "tanhshrink_edges"),
  hardshrink: pointwise(activation.hardshrink, "hardshrink_edges"),
  softshrink: pointwise(activation.softshrink, "softshrink_edges"),
  threshold: {
    call: ({ x }, { threshold, value }) => activation.threshold(x, threshold as number, value as number),
    noDifferences: { threshold_at: EDGES },
  },
  prelu: { ...direct(activation.prelu), noDifferences: { prelu_at_zero: "the kink at 0" } },
  relu_: onCopy(activation.relu_),
  hardtanh_: onCopy(activation.hardtanh_),
  elu_: onCopy(activation.elu_),
  celu_: onCopy(activation.celu_),
  selu_: onCopy(activation.selu_),
  leakyRelu_: onCopy(activation.leakyRelu_),
  threshold_: {
    call: ({ x }, { threshold, value }) => activation.threshold_(clone(x), threshold as number, value as number),
  },
  glu: { call: ({ x }, { dim }) => activation.glu(x, dim as number | undefined) },
  softmax: softmaxCase(ops.softmax),
  logSoftmax: softmaxCase(ops.logSoftmax),
  softmin: softmaxCase(ops.softmin),
  dropout: dropoutCase(dropout.dropout),
  dropout1d: dropoutCase(dropout.dropout1d),
  dropout2d: dropoutCase(dropout.dropout2d),
  dropout3d: dropoutCase(dropout.dropout3d),
  alphaDropout: dropoutCase(dropout.alphaDropout),
  featureAlphaDropout: dropoutCase(dropout.featureAlphaDropout),

  ReLU: inplaceModule,
  Dropout: dropoutModule,
  Dropout1d: dropoutModule,
  Dropout2d: dropoutModule,
  Dropout3d: dropoutModule,
  AlphaDropout: dropoutModule,
  FeatureAlphaDropout: dropoutModule,
};
