/** Convolutions in float32, and their gradients: plain arrays in, plain array out. */
import type { ConvGeometry } from "../../src/kernels/kernels.ts";
import { createWasmKernels } from "../../src/kernels/wasm/index.ts";
import type { BenchCase, Contestant } from "../harness.ts";
import { outSize } from "../peers.ts";
import type { ConvShape, Peer } from "../peers.ts";
import { octetName, randomFloats } from "./data.ts";

const SHAPES: readonly ConvShape[] = [
  { batch: 1, inChannels: 64, outChannels: 64, size: 56, kernel: 3, stride: 1, padding: 1 },
  { batch: 1, inChannels: 64, outChannels: 256, size: 56, kernel: 1, stride: 1, padding: 0 },
  { batch: 1, inChannels: 3, outChannels: 64, size: 224, kernel: 7, stride: 2, padding: 3 },
  { batch: 1, inChannels: 128, outChannels: 256, size: 28, kernel: 3, stride: 2, padding: 1 },
  { batch: 32, inChannels: 32, outChannels: 64, size: 16, kernel: 3, stride: 1, padding: 1 },
];

export async function convCases(peers: readonly Peer[]): Promise<BenchCase[]> {
  const cases: BenchCase[] = [];
  for (const shape of SHAPES) {
    const { batch, inChannels, outChannels, size, kernel, stride } = shape;
    const input = randomFloats(batch * inChannels * size * size, 1);
    const weight = randomFloats(outChannels * inChannels * kernel * kernel, 2);
    const name = `${kernel}×${kernel}${stride > 1 ? ` stride ${stride}` : ""}, ${inChannels} → ${outChannels} at ${size}×${size}, batch ${batch}`;
    const flops = 2 * batch * outChannels * outSize(shape) ** 2 * inChannels * kernel * kernel;
    const [forward, ...gradients] = octet(shape, input, weight);
    const others = await Promise.all(peers.map((peer) => peer.conv(shape, input, weight)));
    cases.push({ group: "conv", name, flops, contestants: [forward, ...others] });
    cases.push({ group: "conv gradients", name, flops, contestants: gradients });
  }
  return cases;
}

function octet(shape: ConvShape, input: Float32Array, weight: Float32Array): Contestant[] {
  const kernels = createWasmKernels();
  if (!kernels) throw new Error("octet's wasm kernels are not available in this engine");
  const { batch, inChannels, outChannels, size, kernel, stride, padding } = shape;
  const out = outSize(shape);
  const geometry: ConvGeometry = {
    batch,
    inChannels,
    outChannels,
    groups: 1,
    inSize: [1, size, size],
    outSize: [1, out, out],
    kernel: [1, kernel, kernel],
    stride: [1, stride, stride],
    padding: [0, padding, padding],
    dilation: [1, 1, 1],
  };
  const output = new Float32Array(batch * outChannels * out * out);
  const gradOutput = randomFloats(output.length, 3);
  const [gradInput, gradWeight] = [new Float32Array(input.length), new Float32Array(weight.length)];
  return [
    { who: octetName(), run: () => kernels.conv(geometry, input, weight, null, output) },
    {
      who: octetName(", by input"),
      run: () => kernels.convGradInput(geometry, gradOutput, weight, gradInput),
    },
    {
      who: octetName(", by weight"),
      run: () => kernels.convGradWeight(geometry, input, gradOutput, gradWeight),
    },
  ];
}
