/** The public surface of Octet: torch's functions at the top, its namespaces as namespace exports. */
export * from "./core/dtype.ts";
export { FileFormatError, OctetError } from "./core/errors.ts";
export {
  perChannelAffine,
  perChannelAffineFloatQparams,
  perChannelSymmetric,
  perTensorAffine,
  perTensorSymmetric,
} from "./core/qparams.ts";
export type { QScheme } from "./core/qparams.ts";
export { getPrintoptions, setPrintoptions } from "./core/printing.ts";
export type { PrintOptions } from "./core/printing.ts";
export { Generator, defaultGenerator, manualSeed, withGenerator } from "./core/rng.ts";
export type { GeneratorState } from "./core/rng.ts";
export { availableKernels, loadKernels, setKernels, withKernels } from "./kernels/registry.ts";
export { Tensor } from "./tensor/tensor.ts";
export { enableGrad, isGradEnabled, noGrad, setGradEnabled } from "./autograd/grad-mode.ts";
export * as autograd from "./autograd/index.ts";
export * from "./ops/index.ts";
export * as ops from "./ops/namespaces.ts";
export * as nn from "./quantization/namespaces/nn.ts";
export * as data from "./data/index.ts";
export * as fx from "./fx/index.ts";
export * as optim from "./optim/index.ts";
export { backends } from "./quantization/engine.ts";
export * as quantization from "./quantization/index.ts";
export * as io from "./io/index.ts";
export * as onnx from "./onnx/index.ts";
export * as report from "./report/index.ts";
