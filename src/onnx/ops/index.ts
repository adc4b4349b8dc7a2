/** Every ONNX operator that the importer knows, by name. All are of ONNX's own domain. */
import type { OnnxOp } from "../import-context.ts";
import { activationOps } from "./activation.ts";
import { arithmeticOps } from "./arithmetic.ts";
import { comparisonOps } from "./comparison.ts";
import { constantOps } from "./constant.ts";
import { controlFlowOps } from "./control-flow.ts";
import { convOps } from "./conv.ts";
import { detectionOps } from "./detection.ts";
import { indexingOps } from "./indexing.ts";
import { integerOps } from "./integer.ts";
import { layoutOps } from "./layout.ts";
import { linearOps } from "./linear.ts";
import { normOps } from "./norm.ts";
import { poolOps } from "./pool.ts";
import { quantizeOps } from "./quantize.ts";
import { reduceOps } from "./reduce.ts";
import { resizeOps } from "./resize.ts";
import { rnnOps } from "./rnn.ts";
import { shapeOps } from "./shape.ts";

export const onnxOps: ReadonlyMap<string, OnnxOp> = new Map(
  [
    activationOps,
    arithmeticOps,
    comparisonOps,
    constantOps,
    controlFlowOps,
    convOps,
    detectionOps,
    indexingOps,
    integerOps,
    layoutOps,
    linearOps,
    normOps,
    poolOps,
    quantizeOps,
    reduceOps,
    resizeOps,
    rnnOps,
    shapeOps,
  ].flatMap((family) => Object.entries(family)),
);
