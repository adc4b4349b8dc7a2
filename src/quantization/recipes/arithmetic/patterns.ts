/** Patterns of arithmetic between tensors. */
import { ReLU } from "../../../nn/modules/activation.ts";
import { add, addmm, matmul, mul, sub } from "../../../ops/index.ts";
import type { DTypeConfig } from "../../backend-config/dtype-config.ts";
import type { BackendPatternConfig } from "../../backend-config/backend-pattern-config.ts";
import { ObservationType } from "../../backend-config/observation-type.ts";
import type { PatternFunction } from "../../backend-config/pattern.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import { patternConfig, withFunction } from "../pattern-configs.ts";

/** With a number for the other operand, the result follows the tensor's grid. */
const byTensorArguments: ReadonlyMap<number, ObservationType> = new Map([
  [0, ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT],
  [1, ObservationType.OUTPUT_SHARE_OBSERVER_WITH_INPUT],
  [2, ObservationType.OUTPUT_USE_DIFFERENT_OBSERVER_AS_INPUT],
]);

/** The operator alone and with a ReLU behind it. */
function withRelu(op: PatternFunction, dtypeConfigs: readonly DTypeConfig[]): BackendPatternConfig[] {
  return [...withFunction([op, ReLU]), op].map((pattern) =>
    patternConfig(pattern, dtypeConfigs)._setNumTensorArgsToObservationType(byTensorArguments),
  );
}

export const binaryPatterns: FamilyPatterns = (dtypeConfigs) => [
  ...[add, mul].flatMap((op) => withRelu(op, dtypeConfigs)),
  patternConfig(matmul, dtypeConfigs),
];

/** With differences and without matrix products. */
export const elementwisePatterns: FamilyPatterns = (dtypeConfigs) =>
  [add, sub, mul].flatMap((op) => withRelu(op, dtypeConfigs));

/** bias + input · weight. */
export const addmmPatterns: FamilyPatterns = (dtypeConfigs) => [
  patternConfig(addmm, dtypeConfigs)._setInputTypeToIndex({ bias: 0, input: 1, weight: 2 }),
];
