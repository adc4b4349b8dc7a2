/** Int8 matrix products and convolutions, requantized to bytes: plain arrays in, plain array out. */
import type { FloatBiasEpilogue } from "../../src/core/requantize.ts";
import type { ConvGeometry } from "../../src/kernels/kernels.ts";
import type { Int8Weights } from "../../src/kernels/quantized-kernels.ts";
import type { BenchCase } from "../harness.ts";
import { octetName, randomBytes, wasmKernels } from "./data.ts";

/** m × k × n. */
const SIZES = [
  [1, 1024, 1024],
  [32, 1024, 1024],
  [128, 768, 3072],
  [512, 512, 512],
] as const;

interface ConvShape {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
}

const SHAPES: readonly ConvShape[] = [
  { inChannels: 64, outChannels: 64, groups: 1, size: 56, kernel: 3, stride: 1 },
  { inChannels: 3, outChannels: 64, groups: 1, size: 224, kernel: 7, stride: 2 },
  { inChannels: 512, outChannels: 512, groups: 1, size: 7, kernel: 3, stride: 1 },
  { inChannels: 64, outChannels: 256, groups: 1, size: 56, kernel: 1, stride: 1 },
  { inChannels: 144, outChannels: 144, groups: 144, size: 56, kernel: 3, stride: 1 },
  { inChannels: 576, outChannels: 576, groups: 576, size: 14, kernel: 3, stride: 1 },
  { inChannels: 144, outChannels: 144, groups: 144, size: 56, kernel: 3, stride: 2 },
];

export async function int8Cases(): Promise<BenchCase[]> {
  return [...SIZES.map(([m, k, n]) => linearCase(m, k, n)), ...SHAPES.map(convCase)];
}

function linearCase(m: number, k: number, n: number): BenchCase {
  const kernels = wasmKernels();
  const input = { data: randomBytes(m * k, 1), zeroPoint: 128 };
  const weights = weightsOf(n, k);
  const epilogue = epilogueOf(n, k);
  const out = new Uint8Array(m * n);
  const run = (): void => kernels.linearInt8(m, input, weights, epilogue, out);
  return {
    group: "int8 gemm",
    name: `${m} × ${k} × ${n}`,
    flops: 2 * m * k * n,
    contestants: [{ who: octetName(), run }],
  };
}

function convCase({ inChannels, outChannels, groups, size, kernel, stride }: ConvShape): BenchCase {
  const kernels = wasmKernels();
  const padding = (kernel - 1) / 2;
  const outSize = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  const geometry: ConvGeometry = {
    batch: 1,
    inChannels,
    outChannels,
    groups,
    inSize: [1, size, size],
    outSize: [1, outSize, outSize],
    kernel: [1, kernel, kernel],
    stride: [1, stride, stride],
    padding: [0, padding, padding],
    dilation: [1, 1, 1],
  };
  const depth = (inChannels / groups) * kernel * kernel;
  const input = { data: randomBytes(inChannels * size * size, 1), zeroPoint: 128 };
  const weights = weightsOf(outChannels, depth);
  const epilogue = epilogueOf(outChannels, depth);
  const out = new Uint8Array(outChannels * outSize * outSize);
  const strided = stride > 1 ? ` stride ${stride}` : "";
  const kind = groups > 1 ? `depthwise, ${inChannels}` : `${inChannels} → ${outChannels}`;
  return {
    group: "int8 conv",
    name: `${kernel}×${kernel}${strided}, ${kind} at ${size}×${size}`,
    flops: 2 * out.length * depth,
    contestants: [{ who: octetName(), run: () => kernels.convInt8(geometry, input, weights, epilogue, out) }],
  };
}

/** Symmetric signed weights. */
function weightsOf(rows: number, depth: number): Int8Weights {
  const data = Int8Array.from(randomBytes(rows * depth, 2), (byte) => byte - 128);
  return { data, rows, depth, zeroPoints: new Int32Array(rows) };
}

function epilogueOf(rows: number, depth: number): FloatBiasEpilogue {
  return {
    kind: "floatBias",
    scales: new Float32Array(rows).fill(0.01 / Math.sqrt(depth)),
    bias: new Float32Array(rows).fill(0.1),
    inverseOutScale: Math.fround(1.7),
    activation: "none",
    zeroPoint: 128,
    qmin: 0,
    qmax: 255,
  };
}
