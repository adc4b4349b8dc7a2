/** Patterns of operators whose output stays on their input's grid: they move elements, or choose or average among them. */
import * as F from "../../../nn/functional.ts";
import * as nn from "../../../nn/index.ts";
import * as ops from "../../../ops/index.ts";
import { ObservationType } from "../../backend-config/observation-type.ts";
import type { Pattern, PatternFunction } from "../../backend-config/pattern.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import type { ModuleClass } from "../recipe.ts";
import { patternConfig, sharingConfig } from "../pattern-configs.ts";

export const sharedQparamsModules: readonly ModuleClass[] = [
  nn.AdaptiveAvgPool1d,
  nn.AdaptiveAvgPool2d,
  nn.AdaptiveAvgPool3d,
  nn.AvgPool1d,
  nn.AvgPool2d,
  nn.AvgPool3d,
  nn.Hardtanh,
  nn.Identity,
  nn.MaxPool1d,
  nn.MaxPool2d,
  nn.MaxPool3d,
  nn.PixelShuffle,
  nn.PixelUnshuffle,
  nn.ReLU,
  nn.ReLU6,
];

export const sharedQparamsFunctions: readonly PatternFunction[] = [
  F.adaptiveAvgPool1d,
  F.adaptiveAvgPool2d,
  F.adaptiveAvgPool3d,
  F.hardtanh,
  F.hardtanh_,
  F.interpolate,
  F.maxPool1d,
  F.maxPool2d,
  F.maxPool3d,
  F.pixelShuffle,
  F.pixelUnshuffle,
  F.relu,
  F.relu6,
  F.avgPool1d,
  F.avgPool2d,
  F.avgPool3d,
  ops.clamp,
  ops.flatten,
  ops.mean,
  ops.narrow,
  ops.repeatInterleave,
  ops.transpose,
  ops.squeeze,
  ops.stack,
  ops.unsqueeze,
  ops.floorDivide,
];

/** Tensor methods, by PyTorch's names. */
export const sharedQparamsMethods: readonly string[] = [
  "contiguous",
  "clamp",
  "detach",
  "detach_",
  "mean",
  "permute",
  "repeat",
  "repeat_interleave",
  "reshape",
  "resize_",
  "relu",
  "relu_",
  "squeeze",
  "squeeze_",
  "transpose",
  "unsqueeze",
  "unsqueeze_",
  "view",
];

/** What ExecuTorch shares, which includes activations that other backends give qparams of their own. */
const onExecutorch: readonly Pattern[] = [
  nn.Flatten,
  F.adaptiveAvgPool2d,
  F.elu,
  F.hardtanh,
  F.maxPool2d,
  F.pad,
  F.relu,
  F.relu6,
  F.leakyRelu,
  F.leakyRelu_,
  nn.AdaptiveAvgPool2d,
  nn.ConstantPad2d,
  nn.ELU,
  nn.MaxPool2d,
  nn.ReLU6,
  nn.Hardtanh,
  nn.LeakyReLU,
  ops.clamp,
  ops.flatten,
  ops.mean,
  ops.permute,
  ops.squeeze,
  "clamp",
  "mean",
  "permute",
  "reshape",
  "relu",
  "relu_",
  "squeeze",
  "squeeze_",
  "leaky_relu",
];

export const sharedQparamsPatterns: FamilyPatterns = (dtypeConfigs) =>
  [...sharedQparamsModules, ...sharedQparamsFunctions, ...sharedQparamsMethods].map((pattern) =>
    sharingConfig(pattern, dtypeConfigs),
  );

export const executorchSharedQparamsPatterns: FamilyPatterns = (dtypeConfigs) =>
  onExecutorch.map((pattern) => sharingConfig(pattern, dtypeConfigs));

/** All inputs are put on one grid. */
export const catPatterns: FamilyPatterns = (dtypeConfigs) => [sharingConfig(ops.cat, dtypeConfigs)];

/** What tells about a tensor and is none. */
export const tensorInfoPatterns: FamilyPatterns = (dtypeConfigs) =>
  ["shape", "size"].map((pattern) =>
    patternConfig(pattern, dtypeConfigs).setObservationType(ObservationType.INPUT_OUTPUT_NOT_OBSERVED),
  );
