/** How the convolutions of `F` are lowered. Dynamic ones stay in reference form, as in PyTorch, whose ReLU-fused form is missing. */
import * as float from "../../../ops/conv.ts";
import * as quantized from "../../../ops/quantized/conv-operators.ts";
import type { LoweringEntries } from "../lowering.ts";

const { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } = float;
const q = quantized;

export const convolutionLowerings: LoweringEntries = [
  [conv1d, { kind: "weighted", prepack: q.conv1dPrepack, quantized: q.conv1d, quantizedRelu: q.conv1dRelu }],
  [conv2d, { kind: "weighted", prepack: q.conv2dPrepack, quantized: q.conv2d, quantizedRelu: q.conv2dRelu }],
  [conv3d, { kind: "weighted", prepack: q.conv3dPrepack, quantized: q.conv3d, quantizedRelu: q.conv3dRelu }],
  [convTranspose1d, { kind: "weighted", prepack: q.convTranspose1dPrepack, quantized: q.convTranspose1d }],
  [convTranspose2d, { kind: "weighted", prepack: q.convTranspose2dPrepack, quantized: q.convTranspose2d }],
  [convTranspose3d, { kind: "weighted", prepack: q.convTranspose3dPrepack, quantized: q.convTranspose3d }],
];
