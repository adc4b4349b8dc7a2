/** Functional forms of the layers (`torch.nn.functional`): the operators that take their weights as arguments. */
export { bilinear, linear } from "../ops/linear.ts";
export { conv1d, conv2d, conv3d, convTranspose1d, convTranspose2d, convTranspose3d } from "../ops/conv.ts";
export { pad } from "../ops/pad.ts";
export { batchNorm, groupNorm, instanceNorm, layerNorm, normalize, rmsNorm } from "../ops/norm.ts";
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
export {
  celu,
  celu_,
  elu,
  elu_,
  gelu,
  glu,
  hardshrink,
  hardsigmoid,
  hardswish,
  hardtanh,
  hardtanh_,
  leakyRelu,
  leakyRelu_,
  logsigmoid,
  mish,
  prelu,
  relu,
  relu6,
  relu_,
  selu,
  selu_,
  silu,
  softplus,
  softshrink,
  softsign,
  tanhshrink,
  threshold,
  threshold_,
} from "../ops/activation.ts";
export { sigmoid, tanh } from "../ops/arithmetic.ts";
export { logSoftmax, softmax, softmin } from "../ops/softmax.ts";
export { alphaDropout, dropout, dropout1d, dropout2d, dropout3d, featureAlphaDropout } from "../ops/dropout.ts";
export { embedding, embeddingBag } from "../ops/embedding.ts";
export { scaledDotProductAttention } from "../ops/attention.ts";
export { multiHeadAttentionForward } from "../ops/multihead-attention.ts";
export { gaussianNllLoss, huberLoss, klDiv, l1Loss, mseLoss, poissonNllLoss, smoothL1Loss } from "../ops/loss.ts";
export {
  binaryCrossEntropy,
  binaryCrossEntropyWithLogits,
  crossEntropy,
  multilabelSoftMarginLoss,
  nllLoss,
} from "../ops/loss-classes.ts";
export {
  cosineEmbeddingLoss,
  cosineSimilarity,
  hingeEmbeddingLoss,
  marginRankingLoss,
  multiMarginLoss,
  pairwiseDistance,
  softMarginLoss,
  tripletMarginLoss,
} from "../ops/loss-margin.ts";
export { oneHot } from "../ops/indexing.ts";
