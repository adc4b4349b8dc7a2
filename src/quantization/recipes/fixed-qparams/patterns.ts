/** Patterns of activations whose output range is known: their qparams are fixed. */
import { OctetError } from "../../../core/errors.ts";
import { quint8 } from "../../../core/dtype.ts";
import { hardsigmoid } from "../../../nn/functional.ts";
import { Hardsigmoid, Sigmoid, Softmax, Tanh } from "../../../nn/modules/activation.ts";
import { sigmoid, tanh } from "../../../ops/index.ts";
import { DTypeConfig, DTypeWithConstraints } from "../../backend-config/dtype-config.ts";
import type { Pattern } from "../../backend-config/pattern.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import { patternConfig } from "../pattern-configs.ts";

/** Integers 0 to 255 over [0, 1). */
const from0To1 = new DTypeWithConstraints({
  dtype: quint8,
  quantMinLowerBound: 0,
  quantMaxUpperBound: 255,
  scaleExactMatch: 1 / 256,
  zeroPointExactMatch: 0,
});

/** Integers 0 to 255 over [−1, 1). */
const fromMinus1To1 = new DTypeWithConstraints({ ...from0To1, scaleExactMatch: 2 / 256, zeroPointExactMatch: 128 });

const constraintsOf: readonly (readonly [Pattern, DTypeWithConstraints])[] = [
  [Hardsigmoid, from0To1],
  [hardsigmoid, from0To1],
  ["hardsigmoid", from0To1],
  ["hardsigmoid_", from0To1],
  [Sigmoid, from0To1],
  [sigmoid, from0To1],
  ["sigmoid", from0To1],
  ["sigmoid_", from0To1],
  [Softmax, from0To1],
  [Tanh, fromMinus1To1],
  [tanh, fromMinus1To1],
  ["tanh", fromMinus1To1],
  ["tanh_", fromMinus1To1],
];

export const fixedQparamsPatterns: FamilyPatterns = (dtypeConfigs) =>
  constraintsOf.map(([pattern, fixed]) =>
    patternConfig(
      pattern,
      dtypeConfigs.map((config) => withFixedActivations(config, fixed)),
    ),
  );

/** Activations of another dtype stay as they are. */
function withFixedActivations(config: DTypeConfig, fixed: DTypeWithConstraints): DTypeConfig {
  return new DTypeConfig({
    inputDtype: fixedIfSameDtype(config.inputDtypeWithConstraints, fixed),
    outputDtype: fixedIfSameDtype(config.outputDtypeWithConstraints, fixed),
    weightDtype: config.weightDtypeWithConstraints,
    biasDtype: config.biasDtype,
    isDynamic: config.isDynamic,
  });
}

function fixedIfSameDtype(given: DTypeWithConstraints, fixed: DTypeWithConstraints): DTypeWithConstraints {
  if (given.dtype !== fixed.dtype) return given;
  if (given.scaleMinLowerBound !== null || given.scaleMaxUpperBound !== null) {
    throw new OctetError(`bounds of the scale are invalid for operators with fixed qparams: ${given}`);
  }
  return fixed;
}
