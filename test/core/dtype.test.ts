/** Dtypes: names, promotion, and half precision. */
import { describe, expect, it } from "vitest";
import * as dtypes from "../../src/core/dtype.ts";
import { halfToNumber, numberToHalf } from "../../src/core/half.ts";

const { bool, canCast, dtypeFromName, float16, float32, float64, int16, int32, int64, int8, promoteTypes, uint8 } =
  dtypes;

describe("dtypes", () => {
  it("are found by name and print as PyTorch's", () => {
    expect(dtypeFromName("torch.int8")).toBe(int8);
    expect(String(float16)).toBe("torch.float16");
    expect(() => dtypeFromName("complex64")).toThrow('unknown dtype "complex64"');
    expect(Object.isFrozen(float32)).toBe(true);
  });

  /** Rows and columns in the order of `order`; the table is torch.promote_types of PyTorch 2.6. */
  it("promote as PyTorch's", () => {
    const order = [bool, uint8, int8, int16, int32, int64, float16, float32, float64];
    const table = [
      "bool uint8 int8 int16 int32 int64 float16 float32 float64",
      "uint8 uint8 int16 int16 int32 int64 float16 float32 float64",
      "int8 int16 int8 int16 int32 int64 float16 float32 float64",
      "int16 int16 int16 int16 int32 int64 float16 float32 float64",
      "int32 int32 int32 int32 int32 int64 float16 float32 float64",
      "int64 int64 int64 int64 int64 int64 float16 float32 float64",
      "float16 float16 float16 float16 float16 float16 float16 float32 float64",
      "float32 float32 float32 float32 float32 float32 float32 float32 float64",
      "float64 float64 float64 float64 float64 float64 float64 float64 float64",
    ];
    expect(order.map((a) => order.map((b) => promoteTypes(a, b).name).join(" "))).toEqual(table);
  });

  it("may be stored in the same or a higher category", () => {
    expect([canCast(int64, int8), canCast(int8, float16), canCast(float32, int64), canCast(int8, bool)]).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });

  it("belong to typed arrays", () => {
    expect(dtypes.dtypeOfArray(new Int16Array(1))).toBe(int16);
    expect(dtypes.dtypeOfArray(new Uint8Array(1))).toBe(uint8);
    expect(() => dtypes.dtypeOfArray(new Uint16Array(1))).toThrow("no dtype for Uint16Array");
  });

  it("have a default, float32 or float64", () => {
    expect(dtypes.withDefaultDtype(float64, dtypes.getDefaultDtype)).toBe(float64);
    expect(dtypes.getDefaultDtype()).toBe(float32);
    expect(() => dtypes.setDefaultDtype(int8)).toThrow(
      "setDefaultDtype: only float32 and float64 are supported, got int8",
    );
  });
});

describe("half precision", () => {
  it("keeps every one of the 65536 bit patterns", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = halfToNumber(bits);
      if (Number.isNaN(value)) expect(numberToHalf(value) & 0x7fff).toBe(0x7e00);
      else if (numberToHalf(value) !== bits) expect.fail(`pattern ${bits} (${value}) becomes ${numberToHalf(value)}`);
    }
  });

  it("rounds the middle between two neighbours to the even one, and anything else to the nearer", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [halfToNumber(bits), halfToNumber(bits + 1)];
      const middle = (low + high) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const step = (high - low) / 16;
      const got = [middle - step, middle, middle + step, -middle].map(numberToHalf);
      const wanted = [bits, even, bits + 1, even | 0x8000];
      if (got.join() !== wanted.join()) expect.fail(`between ${low} and ${high}: ${got.join()}, not ${wanted.join()}`);
    }
  });

  it("overflows to infinity from 65520 on", () => {
    expect([65519.99, 65520, 1e30, Infinity, -65520].map((x) => halfToNumber(numberToHalf(x)))).toEqual([
      65504,
      Infinity,
      Infinity,
      Infinity,
      -Infinity,
    ]);
  });
});
