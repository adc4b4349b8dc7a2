/** The exports of all families: of functions and methods by name, of modules by class. */
import { BatchNorm, InstanceNorm } from "../../nn/modules/norm.ts";
import { ConvNd, ConvTransposeNd } from "../../nn/modules/conv.ts";
import { Linear } from "../../nn/modules/linear.ts";
import { GRUCell, LSTMCell, RNNCell } from "../../nn/modules/rnn-cells.ts";
import { RNNBase } from "../../nn/modules/rnn.ts";
import { Embedding, EmbeddingBag } from "../../nn/modules/sparse.ts";
import type { Module } from "../../nn/module.ts";
import { DeQuantize, Quantize } from "../../quantization/recipes/quantize.ts";
import type { ModuleClass } from "../../quantization/recipes/recipe.ts";
import type { ModuleExport, OpExport } from "../export-context.ts";
import { activationExports } from "./activation.ts";
import { arithmeticExports } from "./arithmetic.ts";
import { convExports, convModule, convTransposeModule } from "./conv.ts";
import { embeddingBagModule, embeddingExports, embeddingModule } from "./embedding.ts";
import { linearExports, linearModule } from "./linear.ts";
import { batchNormModule, instanceNormModule, normExports } from "./norm.ts";
import { poolExports } from "./pool.ts";
import { dequantizeModule, quantizeExports, quantizeModule } from "./quantize.ts";
import { reduceExports } from "./reduce.ts";
import { gruCellModule, lstmCellModule, rnnCellModule, rnnModule } from "./rnn.ts";
import { shapeExports } from "./shape.ts";

/** By the name of the operator, in camelCase. */
export const opExports: ReadonlyMap<string, OpExport> = new Map(
  [
    activationExports,
    arithmeticExports,
    convExports,
    embeddingExports,
    linearExports,
    normExports,
    poolExports,
    quantizeExports,
    reduceExports,
    shapeExports,
  ].flatMap((family) => Object.entries(family)),
);

/** Modules with a form of their own; of the others the calls inside are exported. Subclasses count. */
const moduleExports: readonly (readonly [ModuleClass, ModuleExport])[] = [
  [ConvNd, convModule],
  [ConvTransposeNd, convTransposeModule],
  [Linear, linearModule],
  [BatchNorm, batchNormModule],
  [InstanceNorm, instanceNormModule],
  [RNNBase, rnnModule],
  [LSTMCell, lstmCellModule],
  [GRUCell, gruCellModule],
  [RNNCell, rnnCellModule],
  [Embedding, embeddingModule],
  [EmbeddingBag, embeddingBagModule],
  [Quantize, quantizeModule],
  [DeQuantize, dequantizeModule],
];

export function moduleExportOf(module: Module): ModuleExport | null {
  return moduleExports.find(([known]) => module instanceof known)?.[1] ?? null;
}
