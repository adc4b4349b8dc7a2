/** Functional forms of the layers (`torch.nn.functional`): the operators that take their weights as arguments. */
export { bilinear, linear } from "../ops/linear.ts";
export { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } from "../ops/conv.ts";
export { pad } from "../ops/pad.ts";
export { batchNorm, groupNorm, instanceNorm, layerNorm } from "../ops/norm.ts";
export { avgPool1d, avgPool2d, avgPool3d, maxPool1d, maxPool2d, maxPool3d } from "../ops/pool.ts";
export {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
} from "../ops/adaptive-pool.ts";
export { channelShuffle, interpolate, pixelShuffle, pixelUnshuffle } from "../ops/upsample.ts";
