/** The MNIST digits, and sets in the same idx format such as Fashion-MNIST (LeCun et al., 1998). */
import { FileFormatError, OctetError } from "../core/errors.ts";
import { float32, int64, uint8 } from "../core/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Dataset } from "./dataset.ts";

export interface MNISTOptions {
  /** Pixels become (value / 255 − mean) / std; default 0.1307, the training set's. */
  readonly mean?: number;
  /** Default 0.3081, the training set's. */
  readonly std?: number;
}

/** Samples are [image float32 [1, height, width], label int64 scalar]; batches [N, 1, height, width] and [N]. */
export class MNIST implements Dataset<[Tensor, Tensor]> {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
  readonly height: number;
  readonly width: number;
  private readonly pixelValues: Float32Array;

  /** From the bytes of an image file (idx3) and a label file (idx1). */
  constructor(imageFile: Uint8Array, labelFile: Uint8Array, options: MNISTOptions = {}) {
    const images = readIdx(imageFile, 3);
    const labels = readIdx(labelFile, 1);
    if (images.sizes[0] !== labels.sizes[0]) {
      throw new FileFormatError(`MNIST: ${images.sizes[0]} images but ${labels.sizes[0]} labels`);
    }
    this.images = images.data;
    this.labels = labels.data;
    [, this.height, this.width] = images.sizes;
    const { mean = 0.1307, std = 0.3081 } = options;
    this.pixelValues = Float32Array.from({ length: 256 }, (_, v) => (v / 255 - mean) / std);
  }

  get length(): number {
    return this.labels.length;
  }

  get(index: number): [Tensor, Tensor] {
    const [images, labels] = this.getBatch([index]);
    return [images.alias([1, this.height, this.width], images.strides.slice(1), 0), labels.alias([], [], 0)];
  }

  getBatch(indices: readonly number[]): [Tensor, Tensor] {
    const size = this.height * this.width;
    const pixels = new Float32Array(indices.length * size);
    const labels = new Float64Array(indices.length);
    indices.forEach((index, i) => {
      if (!(index >= 0 && index < this.length)) throw new OctetError(`MNIST: index ${index} is out of range`);
      for (let p = 0; p < size; p++) pixels[i * size + p] = this.pixelValues[this.images[index * size + p]];
      labels[i] = this.labels[index];
    });
    return [
      Tensor.fromArray(pixels, [indices.length, 1, this.height, this.width], float32),
      Tensor.fromArray(labels, [indices.length], int64),
    ];
  }
}

/** Reads an idx file of unsigned bytes: 0, 0, type 8, rank, big-endian sizes, data. */
function readIdx(file: Uint8Array, rank: number): { sizes: number[]; data: Uint8Array } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const start = 4 + 4 * rank;
  if (file.length < start || view.getUint32(0) !== ((0x08 << 8) | rank)) {
    throw new FileFormatError(`idx: not a file of ${uint8.name} values with ${rank} dimensions`);
  }
  const sizes = Array.from({ length: rank }, (_, d) => view.getUint32(4 + 4 * d));
  const expected = sizes.reduce((a, b) => a * b, 1);
  if (expected !== file.length - start) {
    throw new FileFormatError(
      `idx: sizes ${sizes.join(" × ")} need ${expected} bytes, the file has ${file.length - start}`,
    );
  }
  return { sizes, data: file.subarray(start) };
}
