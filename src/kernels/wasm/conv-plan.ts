/**
 * A convolution as a matrix product over its input's windows, for images in wasm memory.
 *
 *     windows(t, x) = image[corner(x) + tap(t)]       x: output pixel, t: (input channel, kernel position)
 *     output        = weight[outChannels, taps] · windows[taps, pixels]
 *
 * Both offsets come from tables, so that stride, padding, dilation and a third dimension cost nothing in the kernels. The
 * image has a border of zeros where the convolution pads, which makes every window readable without a test:
 *
 *     0 0 0 0 0 0       size = (out − 1) · stride + (kernel − 1) · dilation + 1 in each dimension: as much as windows
 *     0 i i i i 0       touch. An input larger than that loses its tail.
 *     0 i i i i 0       Without padding the input serves as it is.
 *     0 0 0 0 0 0
 */
import type { ConvGeometry } from "../kernels.ts";
import { padOffsets, roundUp } from "./blocks.ts";
import type { WasmCode } from "./engine.ts";

export interface ConvPlan {
  readonly geometry: ConvGeometry;
  readonly inPerGroup: number;
  readonly outPerGroup: number;
  /** Kernel positions × input channels of a group. */
  readonly taps: number;
  /** Output positions of one image. */
  readonly pixels: number;
  /** Floats of one channel of the input. */
  readonly inPlane: number;
  /** Whether images get a border. */
  readonly bordered: boolean;
  /** Depth, height and width of the image that windows are read from. */
  readonly size: readonly [number, number, number];
  /** Floats of one channel of that image. */
  readonly plane: number;
  /** Byte offset of each output pixel's window, padded to a multiple of 8. */
  readonly corners: Int32Array;
  /** Byte offset of each tap inside its window, padded to a multiple of 8. */
  readonly tapOffsets: Int32Array;
}

type Sizes = readonly [number, number, number];

const volume = ([depth, height, width]: Sizes): number => depth * height * width;

/** With `flipped`, taps are numbered from the window's last position backwards. */
export function planConv(geometry: ConvGeometry, flipped = false): ConvPlan {
  const { inSize, outSize, kernel, stride, padding, dilation, groups } = geometry;
  const touched = [0, 1, 2].map((d) => (outSize[d] - 1) * stride[d] + (kernel[d] - 1) * dilation[d] + 1);
  const bordered = touched.some((extent, d) => padding[d] > 0 || extent > inSize[d]);
  const size: Sizes = bordered ? [touched[0], touched[1], touched[2]] : inSize;
  const inPerGroup = geometry.inChannels / groups;
  const plane = volume(size);
  const tapOffsets = gridOffsets(inPerGroup, plane, kernel, dilation, size);
  return {
    geometry,
    inPerGroup,
    outPerGroup: geometry.outChannels / groups,
    taps: inPerGroup * volume(kernel),
    pixels: volume(outSize),
    inPlane: volume(inSize),
    bordered,
    size,
    plane,
    corners: gridOffsets(1, 0, outSize, stride, size),
    tapOffsets: flipped ? flipTaps(tapOffsets, volume(kernel)) : tapOffsets,
  };
}

/** Byte offsets, in an image of `size`, of `channels` grids of `counts` points that lie `steps` apart. */
function gridOffsets(channels: number, plane: number, counts: Sizes, steps: Sizes, size: Sizes): Int32Array {
  const count = channels * volume(counts);
  const offsets = new Int32Array(roundUp(count, 8));
  let i = 0;
  for (let c = 0; c < channels; c++) {
    for (let z = 0; z < counts[0]; z++) {
      for (let y = 0; y < counts[1]; y++) {
        const line = c * plane + (z * steps[0] * size[1] + y * steps[1]) * size[2];
        for (let x = 0; x < counts[2]; x++) offsets[i++] = 4 * (line + x * steps[2]);
      }
    }
  }
  padOffsets(offsets, count, offsets.length);
  return offsets;
}

/** Reverses each channel's `kernelVolume` offsets, in place. */
function flipTaps(offsets: Int32Array, kernelVolume: number): Int32Array {
  for (let i = 0; i + kernelVolume <= offsets.length; i += kernelVolume)
    offsets.subarray(i, i + kernelVolume).reverse();
  return offsets;
}

/**
 * The convolution that turns gradOutput into gradInput, if there is one: with stride 1 it is the convolution with the
 * kernel flipped and the channels exchanged, over a border of what the kernel reaches beyond the padding.
 */
export function transposedGeometry(g: ConvGeometry): ConvGeometry | null {
  const border = [0, 1, 2].map((d) => (g.kernel[d] - 1) * g.dilation[d] - g.padding[d]);
  if (g.stride.some((stride) => stride !== 1) || border.some((width) => width < 0)) return null;
  return {
    ...g,
    inChannels: g.outChannels,
    outChannels: g.inChannels,
    inSize: g.outSize,
    outSize: g.inSize,
    padding: [border[0], border[1], border[2]],
  };
}

/** Copies `planes` channels of an input at `source` into the middle of bordered images at `target`. */
export function addBorder(code: WasmCode, plan: ConvPlan, source: number, target: number, planes: number): void {
  eachSlice(plan, (inner, image, rows, floats) => {
    const { row, plane, inPlane, inRow } = byteStrides(plan);
    code.copyPlanes(source + inner, inRow, inPlane, target + image, row, plane, planes, rows, floats);
  });
}

/** The inverse: what lies outside the border's inside is dropped; `target` must hold zeros where no window reaches. */
export function removeBorder(code: WasmCode, plan: ConvPlan, source: number, target: number, planes: number): void {
  eachSlice(plan, (inner, image, rows, floats) => {
    const { row, plane, inPlane, inRow } = byteStrides(plan);
    code.copyPlanes(source + image, row, plane, target + inner, inRow, inPlane, planes, rows, floats);
  });
}

function byteStrides({
  geometry,
  size,
  plane,
  inPlane,
}: ConvPlan): Record<"row" | "plane" | "inRow" | "inPlane", number> {
  return { row: 4 * size[2], plane: 4 * plane, inRow: 4 * geometry.inSize[2], inPlane: 4 * inPlane };
}

/** For each depth that input and image share: byte offsets of the shared rectangle in both, and its size. */
function eachSlice(
  { geometry: { inSize, padding }, size }: ConvPlan,
  body: (inputOffset: number, imageOffset: number, rows: number, floats: number) => void,
): void {
  const [depths, rows, floats] = [0, 1, 2].map((d) => Math.min(inSize[d], size[d] - padding[d]));
  if (rows <= 0 || floats <= 0) return;
  for (let z = 0; z < depths; z++) {
    const imageLine = (z + padding[0]) * size[1] + padding[1];
    body(4 * z * inSize[1] * inSize[2], 4 * (imageLine * size[2] + padding[2]), rows, floats);
  }
}
