import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float16, float32, int64 } from "../../../src/core/dtype.ts";
import { randn, sum, tensor } from "../../../src/ops/index.ts";
import {
  PackedSequence,
  invertPermutation,
  packPaddedSequence,
  packSequence,
  padPackedSequence,
  padSequence,
  unpackSequence,
  unpadSequence,
} from "../../../src/nn/utils/rnn.ts";
import { Tensor } from "../../../src/tensor/tensor.ts";

describe("packing", () => {
  it("lays the elements out step by step, longest sequence first", () => {
    const packed = packSequence([tensor([7]), tensor([1, 2, 3])], { enforceSorted: false });
    expect(packed.data.tolist()).toEqual([1, 7, 2, 3]);
    expect(packed.batchSizes.tolist()).toEqual([2, 1, 1]);
    expect(packed.batchSizes.dtype).toBe(int64);
    expect(packed.sortedIndices?.tolist()).toEqual([1, 0]);
    expect(packed.unsortedIndices?.tolist()).toEqual([1, 0]);
  });

  it("keeps no indices where the caller promises the order", () => {
    const packed = packSequence([tensor([1, 2]), tensor([3])]);
    expect([packed.sortedIndices, packed.unsortedIndices]).toEqual([null, null]);
  });

  it("packs integers too", () => {
    const packed = packSequence([tensor([5, 6], { dtype: int64 }), tensor([7], { dtype: int64 })]);
    expect(packed.data.dtype).toBe(int64);
    expect(packed.data.tolist()).toEqual([5, 7, 6]);
  });

  it("gives the sequences back, whatever their lengths and order", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(lengths, fc.boolean(), (given, batchFirst) => {
        const sequences = given.map((length) => randn([length, 2]));
        const values = sequences.map((sequence) => sequence.tolist());
        const packed = packSequence(sequences, { enforceSorted: false });
        expect(unpackSequence(packed).map((sequence) => sequence.tolist())).toEqual(values);
        const [padded, found] = padPackedSequence(packed, { batchFirst });
        expect(found.tolist()).toEqual(given);
        expect(unpadSequence(padded, found, { batchFirst }).map((sequence) => sequence.tolist())).toEqual(values);
        const again = packPaddedSequence(padded, found, { batchFirst, enforceSorted: false });
        expect(again.data.tolist()).toEqual(packed.data.tolist());
      }),
    );
  });

  it("lets gradients through to real elements only", () => {
    const input = randn([3, 2]).requiresGrad_();
    sum(packPaddedSequence(input, [3, 1]).data).backward();
    expect(input.grad?.tolist()).toEqual([[1, 1], [1, 0], [1, 0]]); // prettier-ignore
  });

  it("converts a packed sequence's data", () => {
    const packed = packSequence([tensor([1, 2]), tensor([3])]);
    expect(packed.to(float32)).toBe(packed);
    const half = packed.to(float16);
    expect(half).toBeInstanceOf(PackedSequence);
    expect(half.data.dtype).toBe(float16);
    expect(half.batchSizes).toBe(packed.batchSizes);
  });

  it("inverts permutations", () => {
    expect(invertPermutation(tensor([2, 0, 1], { dtype: int64 }))?.tolist()).toEqual([1, 2, 0]);
    expect(invertPermutation(null)).toBeNull();
  });
});

describe("errors", () => {
  const input = Tensor.zeros([3, 2, 1], float32);

  it("names lengths that do not fit", () => {
    expect(() => packPaddedSequence(input, [3])).toThrow("packPaddedSequence: got 1 lengths for a batch of 2");
    expect(() => packPaddedSequence(input, [3, 0])).toThrow("lengths must be whole numbers from 1 to 3, got 0");
    expect(() => packPaddedSequence(input, [4, 1])).toThrow("lengths must be whole numbers from 1 to 3, got 4");
    expect(() => packPaddedSequence(input, [2, 3])).toThrow(
      "packPaddedSequence: lengths must not grow (got [2, 3]); pass { enforceSorted: false } to have them sorted",
    );
    expect(() => packPaddedSequence(Tensor.zeros([3], float32), [3])).toThrow("at least 2 dimensions, got shape [3]");
  });

  it("names what padding cannot do", () => {
    const packed = packPaddedSequence(input, [3, 2]);
    expect(() => padPackedSequence(packed, { totalLength: 2 })).toThrow(
      "padPackedSequence: totalLength 2 is less than the longest sequence's 3",
    );
    expect(() => padSequence([])).toThrow("padSequence: the list of sequences is empty");
    expect(() => padSequence([Tensor.zeros([2, 1], float32), Tensor.zeros([2, 3], float32)])).toThrow(
      "padSequence: sequence 1 has shape [2, 3]",
    );
  });
});
