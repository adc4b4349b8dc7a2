/** The runtimes that models are written for, as data: what each of them takes. Nothing here is code. */

/** Where a model is to run. */
export type TargetName = "generic" | "ort-node" | "ort-web-wasm" | "tensorrt";

export interface OnnxTarget {
  readonly name: TargetName;
  /** The element type of quantized activations. "either" keeps the one that the model was quantized with. */
  readonly activations: "uint8" | "int8" | "either";
  /** Zero points must be 0. */
  readonly symmetric: boolean;
  /** How a bias is stored beside a quantized weight: as int32 with scale s_x·s_w, or as it is. */
  readonly bias: "int32" | "float";
  /** What stands for quantization with the range of each call. */
  readonly dynamic: "integer" | "weight-only";
  /** Whether 4-bit weights are stored as such; that takes operator set 21. Else a byte each. */
  readonly int4: boolean;
  /** ONNX operators whose result is not quantized, because the runtime computes them in float anyway. */
  readonly floatResults: readonly string[];
  /** The lowest version of ONNX's operators that quantized models are written in; 13 has scales per channel. */
  readonly opset: number;
  /** The highest version of ONNX's operators that it reads. */
  readonly newestOpset: number;
}

const onnxRuntime = {
  symmetric: false,
  bias: "int32",
  dynamic: "integer",
  int4: false,
  floatResults: [],
  opset: 13,
  newestOpset: 21,
} as const;

export const onnxTargets: Readonly<Record<TargetName, OnnxTarget>> = Object.freeze({
  generic: Object.freeze({ ...onnxRuntime, name: "generic", activations: "either", int4: true }),
  "ort-node": Object.freeze({ ...onnxRuntime, name: "ort-node", activations: "either" }),
  // Its kernels multiply unsigned activations by signed weights; signed by signed falls back to slow ones.
  "ort-web-wasm": Object.freeze({ ...onnxRuntime, name: "ort-web-wasm", activations: "uint8" }),
  // Takes no integer bias, and chooses precision itself where no pair of QuantizeLinear and DequantizeLinear stands.
  tensorrt: Object.freeze({
    ...onnxRuntime,
    name: "tensorrt",
    activations: "int8",
    symmetric: true,
    bias: "float",
    dynamic: "weight-only",
    floatResults: ["LayerNormalization", "Softmax", "InstanceNormalization", "Gelu", "Erf"],
    newestOpset: 20,
  }),
});
