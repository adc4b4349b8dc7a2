/** Neural-network modules under PyTorch's names (`torch.nn`). */
export * as functional from "./functional.ts";
export * as init from "./init.ts";
export { Module } from "./module.ts";
export type { RemovableHandle } from "./hooks.ts";
export type { ForwardHook, ForwardPreHook, MemberOptions } from "./module.ts";
export { Parameter } from "./parameter.ts";
export { StateDict } from "./state-dict.ts";
export type { StateDictLike } from "./state-dict.ts";
export { Bilinear, Linear } from "./modules/linear.ts";
export { Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d } from "./modules/conv.ts";
export {
  BatchNorm1d,
  BatchNorm2d,
  BatchNorm3d,
  GroupNorm,
  InstanceNorm1d,
  InstanceNorm2d,
  InstanceNorm3d,
  LayerNorm,
  RMSNorm,
} from "./modules/norm.ts";
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveAvgPool3d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  AdaptiveMaxPool3d,
  AvgPool1d,
  AvgPool2d,
  AvgPool3d,
  MaxPool1d,
  MaxPool2d,
  MaxPool3d,
} from "./modules/pool.ts";
export * from "./modules/padding.ts";
export {
  ChannelShuffle,
  PixelShuffle,
  PixelUnshuffle,
  Upsample,
  UpsamplingBilinear2d,
  UpsamplingNearest2d,
} from "./modules/upsample.ts";
export {
  CELU,
  ELU,
  GELU,
  GLU,
  Hardshrink,
  Hardsigmoid,
  Hardswish,
  Hardtanh,
  LeakyReLU,
  LogSigmoid,
  LogSoftmax,
  Mish,
  PReLU,
  ReLU,
  ReLU6,
  SELU,
  SiLU,
  Sigmoid,
  Softmax,
  Softmax2d,
  Softmin,
  Softplus,
  Softshrink,
  Softsign,
  Tanh,
  Tanhshrink,
  Threshold,
} from "./modules/activation.ts";
export { AlphaDropout, Dropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout } from "./modules/dropout.ts";
export { ModuleDict, ModuleList, Sequential } from "./modules/container.ts";
export type { NamedModules } from "./modules/container.ts";
export { ParameterDict, ParameterList } from "./modules/parameters.ts";
export type { NamedParameters } from "./modules/parameters.ts";
export { Flatten, Unflatten } from "./modules/flatten.ts";
export { Identity } from "./modules/identity.ts";
export { Embedding, EmbeddingBag } from "./modules/sparse.ts";
export type { EmbeddingBagModuleOptions, PretrainedOptions, TableOptions } from "./modules/sparse.ts";
export { GRU, LSTM, RNN, RNNBase } from "./modules/rnn.ts";
export type { LSTMOptions, LSTMState, RNNBaseOptions, RNNMode, RNNOptions } from "./modules/rnn.ts";
export { GRUCell, LSTMCell, RNNCell, RNNCellBase } from "./modules/rnn-cells.ts";
export type { RNNCellBaseOptions, RNNCellOptions } from "./modules/rnn-cells.ts";
export { MultiheadAttention, NonDynamicallyQuantizableLinear } from "./modules/multihead-attention.ts";
export type { MultiheadAttentionOptions } from "./modules/multihead-attention.ts";
export { TransformerEncoder, TransformerEncoderLayer } from "./modules/transformer.ts";
export type { EncoderMasks, TransformerEncoderLayerOptions, TransformerEncoderOptions } from "./modules/transformer.ts";
export * as utils from "./utils/index.ts";
export {
  BCELoss,
  BCEWithLogitsLoss,
  CosineEmbeddingLoss,
  CrossEntropyLoss,
  GaussianNLLLoss,
  HingeEmbeddingLoss,
  HuberLoss,
  KLDivLoss,
  L1Loss,
  MarginRankingLoss,
  MSELoss,
  MultiLabelSoftMarginLoss,
  MultiMarginLoss,
  NLLLoss,
  PoissonNLLLoss,
  SmoothL1Loss,
  SoftMarginLoss,
  TripletMarginLoss,
} from "./modules/loss.ts";
export { CosineSimilarity, PairwiseDistance } from "./modules/distance.ts";
