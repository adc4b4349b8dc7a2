/** How the normalizations of src/ops/norm.ts are called. */
import * as ops from "../../src/ops/norm.ts";
import { clone } from "../../src/ops/copy.ts";
import type { Inputs, OpTable } from "./types.ts";
import { direct } from "./types.ts";

/** Copies of the running statistics, because a case may run several times, and training changes them. */
function statisticsOf({ running_mean: mean, running_var: variance }: Inputs) {
  return [mean ? clone(mean) : null, variance ? clone(variance) : null];
}

export const normCases: OpTable = {
  batchNorm: {
    call: (inputs, kwargs) => {
      const [mean, variance] = statisticsOf(inputs);
      const { input, weight, bias } = inputs;
      return [ops.batchNorm(input, mean, variance, weight, bias, kwargs as ops.BatchNormOptions), mean, variance];
    },
  },
  instanceNorm: {
    call: (inputs, kwargs) => {
      const [runningMean, runningVar] = statisticsOf(inputs);
      const { input, weight, bias } = inputs;
      const options = { ...kwargs, runningMean, runningVar, weight, bias };
      return [ops.instanceNorm(input, options), runningMean, runningVar];
    },
  },
  layerNorm: {
    call: ({ input, weight, bias }, { normalizedShape, ...options }) =>
      ops.layerNorm(input, normalizedShape as number[], { ...options, weight, bias }),
  },
  groupNorm: {
    call: ({ input, weight, bias }, { numGroups, ...options }) =>
      ops.groupNorm(input, numGroups as number, { ...options, weight, bias }),
  },
  rmsNorm: {
    call: ({ input, weight }, { normalizedShape, ...options }) =>
      ops.rmsNorm(input, normalizedShape as number[], { ...options, weight }),
  },
  normalize: direct(ops.normalize),
};
