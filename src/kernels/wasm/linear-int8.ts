/**
 * Int8 linear layers: out[m, rows] = epilogue(input[m, depth] · weightᵀ). Blocks of input rows are widened into panels
 * (code/int8-pack.ts), multiplied by blocks of the packed weight, and the sums finished while they are in the cache.
 */
import type { Epilogue } from "../../core/requantize.ts";
import type { ByteArray, Int8Input, Int8Weights } from "../quantized-kernels.ts";
import { roundUp } from "./blocks.ts";
import type { WasmEngine } from "./engine.ts";
import { Finisher } from "./epilogue.ts";
import { multiplyInt8 } from "./int8-product.ts";
import { fitBytes, keptWeights, packedWeights, paddedDepth } from "./int8-weights.ts";
import { FLIP } from "./quantize.ts";

/** Bytes of packed input, and output columns, that are worked on at a time; sums are 4 bytes each. */
const BLOCK_BYTES = 131072;
const MAX_ROWS = 128;
const BLOCK_COLUMNS = 256;

/** As {@link QuantizedKernels.linearInt8}, for outputs that the epilogue writes. */
export function linearInt8(
  engine: WasmEngine,
  m: number,
  input: Int8Input,
  weights: Int8Weights,
  epilogue: Epilogue,
  out: ByteArray | Float32Array,
): void {
  const { memory } = engine;
  const layout = { width: 8, groups: 1, bytes: fitBytes(weights) } as const;
  const kept = keptWeights(engine, weights, layout);
  memory.frame(() => {
    const panels = kept ?? packedWeights(engine, weights, layout);
    const { depth, rows } = weights;
    const [source, result] = [memory.operand(input.data), memory.operand(out)];
    const blockRows = Math.min(roundUp(m, 4), rowsOfBlock(depth));
    const size = out.BYTES_PER_ELEMENT;
    const columns = roundUp(rows, 8);
    const buffers = {
      input: memory.allocateFor(source, blockRows * depth),
      panels: memory.allocateBytes(2 * blockRows * paddedDepth(depth)),
      sums: memory.allocate(blockRows * Math.min(columns, BLOCK_COLUMNS)),
      padded: memory.allocateBytes(blockRows * columns * size),
      out: memory.allocateBytes(columns === rows ? 0 : blockRows * rows * size),
    };
    const pack = inputPacker(engine, input, depth);
    const finisher = new Finisher(engine, epilogue, rows, true, out);
    for (let i = 0; i < m; i += blockRows) {
      const count = Math.min(blockRows, m - i);
      pack(memory.read(source, i * depth, count * depth, buffers.input), count, buffers.panels);
      multiplyRows(engine, finisher, { count, columns, depth, panels, bytes: layout.bytes, size }, buffers);
      if (columns === rows) memory.write(result, i * rows, count * rows, buffers.padded);
      else {
        engine.code.compactRows(buffers.padded, columns * size, buffers.out, rows * size, count);
        memory.write(result, i * rows, count * rows, buffers.out);
      }
    }
  });
}

function rowsOfBlock(depth: number): number {
  const rows = Math.floor(BLOCK_BYTES / (2 * paddedDepth(depth)));
  return Math.min(MAX_ROWS, Math.max(4, rows - (rows % 4)));
}

/** Widens rows of the input into panels of four. */
function inputPacker(
  { memory, code }: WasmEngine,
  { data, zeroPoint }: Int8Input,
  depth: number,
): (source: number, count: number, panels: number) => void {
  const isSigned = data instanceof Int8Array;
  const zero = memory.table(Int32Array.of(zeroPoint + (isSigned ? 128 : 0)));
  const padded = paddedDepth(depth);
  return (source, count, panels) => {
    for (let i = 0; i < count; i += 4) {
      const last = Math.min(4, count - i) - 1;
      code.packRows(source + i * depth, depth, last, padded, isSigned ? FLIP : 0, zero, 0, panels + 2 * i * padded, 16);
    }
  };
}

interface RowBlock {
  readonly count: number;
  /** Padded to a multiple of eight. */
  readonly columns: number;
  readonly depth: number;
  /** Address of the packed weight. */
  readonly panels: number;
  readonly bytes: boolean;
  /** Bytes of an output element. */
  readonly size: number;
}

/** All columns of a block of rows, some hundred at a time. */
function multiplyRows(
  engine: WasmEngine,
  finisher: Finisher,
  { count, columns, depth, panels, bytes, size }: RowBlock,
  buffers: { readonly panels: number; readonly sums: number; readonly padded: number },
): void {
  const padded = paddedDepth(depth);
  for (let j = 0; j < columns; j += BLOCK_COLUMNS) {
    const width = Math.min(BLOCK_COLUMNS, columns - j);
    const weightPanels = panels + (bytes ? 1 : 2) * j * padded;
    const { panels: a, sums: c } = buffers;
    multiplyInt8(engine.code, { m: count, n: width, depth: padded, a, b: weightPanels, c, bytes });
    finisher.run({
      sums: buffers.sums,
      sumsRow: 4 * width,
      out: buffers.padded + j * size,
      outRow: columns * size,
      rows: count,
      columns: width,
      channel: j,
    });
  }
}
