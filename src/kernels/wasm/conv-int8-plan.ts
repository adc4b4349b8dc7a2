/**
 * An int8 convolution as a product over windows, as conv-plan.ts, with two differences. Images are 16 bits wide, and their
 * columns are sorted by remainder of the stride, so that neighbouring pixels read neighbouring numbers whatever the stride:
 *
 *     a row, stride 2:   c0 c2 c4 … │ c1 c3 c5 …       tap kw reads phase (kw · dilation) mod 2
 *
 * And where it costs little, each row of output pixels is padded to a multiple of eight, so that no eight pixels straddle
 * two rows; what is computed there is dropped in the end.
 */
import type { ConvGeometry } from "../kernels.ts";
import { roundUp } from "./blocks.ts";
import { paddedDepth } from "./int8-weights.ts";

type Sizes = readonly [number, number, number];

export interface Int8ConvPlan {
  readonly geometry: ConvGeometry;
  readonly inPerGroup: number;
  readonly outPerGroup: number;
  readonly taps: number;
  /** Depth and height of the image that windows are read from. */
  readonly depth: number;
  readonly height: number;
  /** Numbers of one remainder in a row, of a row, and of a channel. */
  readonly phase: number;
  readonly row: number;
  readonly plane: number;
  /** Output positions of a channel, and with the padding: a multiple of eight. */
  readonly pixels: number;
  readonly paddedPixels: number;
  /** Rows of pixels that lie together in the padded output, and their length there and in the output. */
  readonly outRows: number;
  readonly outRow: number;
  readonly paddedRow: number;
  /** Byte offset of each padded pixel's window. */
  readonly corners: Int32Array;
  /** Byte offset of each tap inside its window, padded as the weights are. */
  readonly tapOffsets: Int32Array;
}

const volume = ([depth, height, width]: Sizes): number => depth * height * width;

/** `maxPadding`: by how much rows may grow. */
export function planInt8Conv(original: ConvGeometry, maxPadding: number): Int8ConvPlan {
  const geometry = isPointwise(original) ? flattened(original) : original;
  const { inChannels, outChannels, outSize, kernel, stride, dilation, groups } = geometry;
  const [depth, height, width] = [0, 1, 2].map((d) => (outSize[d] - 1) * stride[d] + (kernel[d] - 1) * dilation[d] + 1);
  const phase = Math.ceil(width / stride[2]);
  const row = phase * stride[2];
  const inPerGroup = inChannels / groups;
  const padRows = roundUp(outSize[2], 8) <= maxPadding * outSize[2];
  const paddedRow = padRows ? roundUp(outSize[2], 8) : outSize[2];
  const pixels = volume(outSize);
  const outRows = outSize[0] * outSize[1];
  const image = { depth, height, phase, row, plane: depth * height * row };
  return {
    geometry,
    inPerGroup,
    outPerGroup: outChannels / groups,
    taps: inPerGroup * volume(kernel),
    ...image,
    pixels,
    paddedPixels: padRows ? outRows * paddedRow : roundUp(pixels, 8),
    outRows: padRows ? outRows : 1,
    outRow: padRows ? outSize[2] : pixels,
    paddedRow: padRows ? paddedRow : roundUp(pixels, 8),
    corners: cornersOf(geometry, image, paddedRow),
    tapOffsets: tapsOf(geometry, image, inPerGroup),
  };
}

/** Whether each output pixel is made from the input pixel of the same position. */
function isPointwise({ kernel, stride, padding, inSize, outSize }: ConvGeometry): boolean {
  return (
    volume(kernel) === 1 && volume(stride) === 1 && [0, 1, 2].every((d) => padding[d] === 0 && inSize[d] === outSize[d])
  );
}

function flattened(g: ConvGeometry): ConvGeometry {
  const size: Sizes = [1, 1, volume(g.inSize)];
  return { ...g, inSize: size, outSize: size };
}

interface Image {
  readonly height: number;
  readonly phase: number;
  readonly row: number;
  readonly plane: number;
}

function cornersOf({ outSize, stride }: ConvGeometry, image: Image, paddedRow: number): Int32Array {
  const count = outSize[0] * outSize[1] * paddedRow;
  const corners = new Int32Array(roundUp(count, 8));
  let i = 0;
  for (let z = 0; z < outSize[0]; z++) {
    for (let y = 0; y < outSize[1]; y++) {
      const line = (z * stride[0] * image.height + y * stride[1]) * image.row;
      for (let x = 0; x < paddedRow; x++) corners[i++] = 2 * (line + x);
    }
  }
  for (; i < corners.length; i++) corners[i] = corners[i - 1] + 2;
  return corners;
}

function tapsOf({ kernel, stride, dilation }: ConvGeometry, image: Image, channels: number): Int32Array {
  const offsets = new Int32Array(paddedDepth(channels * volume(kernel)));
  let i = 0;
  for (let c = 0; c < channels; c++) {
    for (let z = 0; z < kernel[0]; z++) {
      for (let y = 0; y < kernel[1]; y++) {
        const line = c * image.plane + (z * dilation[0] * image.height + y * dilation[1]) * image.row;
        for (let x = 0; x < kernel[2]; x++) {
          const column = x * dilation[2];
          const place = (column % stride[2]) * image.phase + Math.floor(column / stride[2]);
          offsets[i++] = 2 * (line + place);
        }
      }
    }
  }
  return offsets;
}
