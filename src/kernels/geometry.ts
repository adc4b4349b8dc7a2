/** The sizes of windowed operators, as both halves of the kernels interface take them. */

/**
 * Sizes of a convolution over three spatial dimensions (depth, height, width); 1d and 2d set the leading ones to 1, stride
 * 1, padding 0. Layouts: input [batch, inChannels, ...inSize], weight [outChannels, inChannels / groups, ...kernel],
 * output [batch, outChannels, ...outSize].
 */
export interface ConvGeometry {
  readonly batch: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly groups: number;
  readonly inSize: readonly [number, number, number];
  readonly outSize: readonly [number, number, number];
  readonly kernel: readonly [number, number, number];
  readonly stride: readonly [number, number, number];
  /** Zeros before the first element of each dimension; what lies past the end follows from `outSize`. */
  readonly padding: readonly [number, number, number];
  readonly dilation: readonly [number, number, number];
}

/** Sizes of a pooling window over `planes` (batch × channels) independent volumes. */
export interface PoolGeometry {
  readonly planes: number;
  readonly inSize: readonly [number, number, number];
  readonly outSize: readonly [number, number, number];
  readonly kernel: readonly [number, number, number];
  readonly stride: readonly [number, number, number];
  readonly padding: readonly [number, number, number];
  readonly dilation: readonly [number, number, number];
}
