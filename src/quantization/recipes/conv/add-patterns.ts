/** Patterns of a two-dimensional convolution whose output something is added to, which onednn runs as one. */
import { OctetError } from "../../../core/errors.ts";
import type { FxNode } from "../../../fx/node.ts";
import type { Module } from "../../../nn/module.ts";
import { ReLU } from "../../../nn/modules/activation.ts";
import { Conv2d } from "../../../nn/modules/conv.ts";
import type { RunningNorm } from "../../../nn/modules/norm.ts";
import { BatchNorm2d } from "../../../nn/modules/norm.ts";
import type { Foldable } from "../../../nn/utils/fusion.ts";
import { fuseBnEval } from "../../../nn/utils/fusion.ts";
import { add } from "../../../ops/index.ts";
import { BackendPatternConfig } from "../../backend-config/backend-pattern-config.ts";
import type { DTypeConfig } from "../../backend-config/dtype-config.ts";
import type { NodePattern, Pattern } from "../../backend-config/pattern.ts";
import { MatchAllNode } from "../../backend-config/pattern.ts";
import type { FamilyPatterns } from "../pattern-configs.ts";
import { recipeOf, rootedConfig } from "../pattern-configs.ts";
import type { ModuleClass } from "../recipe.ts";
import * as fused from "./fused.ts";
import { convolutionRecipes } from "./index.ts";

/** Which operand of the addition the convolution is, and what stands between and behind. */
interface Variant {
  readonly side: "left" | "right";
  readonly withBn: boolean;
  readonly withRelu: boolean;
}

type Nested<T> = T | readonly Nested<T>[];

/** What a nested pattern is made of, be it of classes, nodes or modules. */
interface Parts<T> {
  readonly conv: T;
  readonly bn: T | undefined;
  readonly add: T;
  readonly other: T;
  readonly relu: T | undefined;
}

/** `[add, conv, other]`, `[relu, [add, other, [bn, conv]]]` and so on, taken apart. */
function partsOf<T>(nested: Nested<T>, { side, withBn, withRelu }: Variant): Parts<T> {
  const [relu, sum] = withRelu ? (nested as readonly Nested<T>[]) : [undefined, nested];
  const [operator, left, right] = sum as readonly [T, Nested<T>, Nested<T>];
  const [operand, other] = side === "left" ? [left, right] : [right, left];
  const [bn, conv] = withBn ? (operand as readonly T[]) : [undefined, operand as T];
  return { conv, bn, add: operator, other: other as T, relu: relu as T | undefined };
}

function nestedPattern({ side, withBn, withRelu }: Variant): Pattern {
  const operand: Pattern = withBn ? [BatchNorm2d, Conv2d] : Conv2d;
  const sum: Pattern = side === "left" ? [add, operand, MatchAllNode] : [add, MatchAllNode, operand];
  return withRelu ? [ReLU, sum] : sum;
}

/** Folds the batch norm, for which there is no form for training. */
function fuser(variant: Variant) {
  return (isQat: boolean, ...nested: readonly unknown[]): Module => {
    const parts = partsOf(nested as Nested<unknown>, variant);
    if (isQat && parts.bn) throw new OctetError("Cannot fuse train modules: Conv2d, BatchNorm2d and what is added");
    const conv = parts.bn ? fuseBnEval(parts.conv as Foldable, parts.bn as RunningNorm) : parts.conv;
    return parts.relu
      ? new fused.ConvAddReLU2d(conv as Conv2d, parts.add as typeof add, parts.relu as ReLU)
      : new fused.ConvAdd2d(conv as Conv2d, parts.add as typeof add);
  };
}

/** A variant with its functions, which are made once, so that two configs of it are equal. */
function methodsOf(variant: Variant) {
  return {
    variant,
    fuse: fuser(variant),
    root: (nodes: NodePattern) => partsOf<FxNode>(nodes, variant).conv,
    extraInputs: (nodes: NodePattern) => [partsOf<FxNode>(nodes, variant).other],
  };
}

const families = [false, true].map((withRelu) => ({
  made: withRelu ? fused.ConvAddReLU2d : fused.ConvAdd2d,
  variants: (["left", "right"] as const).flatMap((side) =>
    [true, false].map((withBn) => methodsOf({ side, withBn, withRelu })),
  ),
}));

function variantConfig(
  { variant, fuse, root, extraInputs }: ReturnType<typeof methodsOf>,
  made: ModuleClass,
  dtypeConfigs: readonly DTypeConfig[],
): BackendPatternConfig {
  return new BackendPatternConfig()
    ._setPatternComplexFormat(nestedPattern(variant))
    .setDtypeConfigs(dtypeConfigs)
    .setFuserMethod(fuse)
    ._setRootNodeGetter(root)
    ._setExtraInputsGetter(extraInputs)
    .setFusedModule(made);
}

export const convAddPatterns: FamilyPatterns = (dtypeConfigs) =>
  families.flatMap(({ made, variants }) => [
    ...variants.map((variant) => variantConfig(variant, made, dtypeConfigs)),
    rootedConfig(made, recipeOf(convolutionRecipes, Conv2d), dtypeConfigs),
  ]);
