/** Patterns of operators on one tensor whose output has qparams of its own. */
import * as F from "../../../nn/functional.ts";
import * as nn from "../../../nn/index.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import { patternConfig } from "../pattern-configs.ts";

export const ownQparamsPatterns: FamilyPatterns = (dtypeConfigs) => [
  ...[
    nn.ELU,
    nn.LeakyReLU,
    nn.Hardswish,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
    nn.Dropout,
    nn.PReLU,
    F.elu,
    F.hardswish,
    F.leakyRelu,
    F.dropout,
  ].map((pattern) => patternConfig(pattern, dtypeConfigs)),
  patternConfig(F.groupNorm, dtypeConfigs)._setInputTypeToIndex({ weight: 2, bias: 3 }),
  patternConfig(F.instanceNorm, dtypeConfigs)._setInputTypeToIndex({ weight: 3, bias: 4 }),
];
