/**
 * Loops over images: adding and removing a border, the direct convolution of one output channel, and the inverse of
 * reading windows (adding the windows back into the image). Tables are those of pack.ts: a window's corner by pixel, a
 * tap's offset inside the window.
 */
import type { FunctionBuilder, FunctionHandle, Local, ModuleBuilder } from "../assembler.ts";
import { f32, f32x4, i32, v128 } from "../instructions.ts";
import type { MultiplyAdd, Value } from "../instructions.ts";
import { runs } from "./pack.ts";

export function emitImage(module: ModuleBuilder, multiplyAdd: MultiplyAdd): void {
  emitCopyPlanes(module);
  emitAddWindows(module);
  emitDirectConv(module, multiplyAdd);
  emitDirectGradWeight(module, multiplyAdd);
}

/** copyPlanes: copies [planes, rows, floats] between arrays of different row and plane strides (bytes). */
function emitCopyPlanes(module: ModuleBuilder): FunctionHandle {
  const types = {
    source: "i32",
    sourceRow: "i32",
    sourcePlane: "i32",
    target: "i32",
    targetRow: "i32",
    targetPlane: "i32",
    planes: "i32",
    rows: "i32",
    floats: "i32",
  } as const;
  return module.func("copyPlanes", types, (f, p) => {
    const [from, to, end, vectorEnd, sourceLine, targetLine, rowsLeft] = Array.from({ length: 7 }, () =>
      f.local("i32"),
    );
    f.repeat(p.planes, () => {
      f.set(sourceLine, p.source);
      f.set(targetLine, p.target);
      f.set(rowsLeft, p.rows);
      f.repeat(rowsLeft, () => {
        f.set(to, targetLine);
        f.set(from, sourceLine);
        f.set(end, i32.add(to, i32.shl(p.floats, 2)));
        f.set(vectorEnd, i32.sub(end, 16));
        f.while_(
          () => i32.leU(to, vectorEnd),
          () => {
            f.run(v128.store(to, v128.load(from)));
            f.increase(from, 16);
            f.increase(to, 16);
          },
        );
        f.while_(
          () => i32.ltU(to, end),
          () => {
            f.run(f32.store(to, f32.load(from)));
            f.increase(from, 4);
            f.increase(to, 4);
          },
        );
        f.increase(sourceLine, p.sourceRow);
        f.increase(targetLine, p.targetRow);
      });
      f.increase(p.source, p.sourcePlane);
      f.increase(p.target, p.targetPlane);
    });
  });
}

/**
 * addWindows: image[X[x] + T[t]] += windows(x, t), where the windows lie in panels of 8 pixels:
 *
 *     windows, panel 0:  t = 0: x0 … x7 │ t = 1: x0 … x7 │ … │ t = taps − 1      panel 1: …
 */
function emitAddWindows(module: ModuleBuilder): FunctionHandle {
  const types = {
    windows: "i32",
    pixelTable: "i32",
    pixels: "i32",
    tapTable: "i32",
    taps: "i32",
    image: "i32",
  } as const;
  return module.func("addWindows", types, (f, p) => {
    const [group, t, source] = Array.from({ length: 3 }, () => f.local("i32"));
    const tapEnd = f.local("i32", i32.add(p.tapTable, i32.shl(p.taps, 2)));
    const pointers = Array.from({ length: 4 }, () => f.local("i32"));
    const eachTap = (body: (offset: Value<"i32">) => void): void =>
      f.forRange(t, p.tapTable, tapEnd, 4, () => {
        body(i32.load(t));
        f.increase(source, 32);
      });
    f.forRange(group, 0, p.pixels, 4, () => {
      const half = i32.and(group, 4);
      f.set(source, i32.add(i32.add(p.windows, i32.mul(i32.shrU(group, 3), i32.shl(p.taps, 5))), i32.shl(half, 2)));
      pointers.forEach((pointer, i) => f.set(pointer, i32.add(p.image, i32.load(p.pixelTable, 4 * i))));
      const isFull = i32.geU(i32.sub(p.pixels, group), 4);
      f.if_(
        i32.and(isFull, runs(p.pixelTable, 4)),
        () => addRun(f, eachTap, pointers[0], source),
        () => addSingles(f, eachTap, pointers, source, i32.sub(p.pixels, group)),
      );
      f.increase(p.pixelTable, 16);
    });
  });
}

type EachTap = (body: (offset: Value<"i32">) => void) => void;

/** Four neighbouring pixels at once. */
function addRun(f: FunctionBuilder, eachTap: EachTap, pointer: Local<"i32">, source: Local<"i32">): void {
  const target = f.local("i32");
  eachTap((offset) => {
    f.set(target, i32.add(pointer, offset));
    f.run(v128.store(target, f32x4.add(v128.load(target), v128.load(source))));
  });
}

/** Up to four scattered pixels, one after the other. */
function addSingles(
  f: FunctionBuilder,
  eachTap: EachTap,
  pointers: readonly Local<"i32">[],
  source: Local<"i32">,
  pixelsLeft: Value<"i32">,
): void {
  const target = f.local("i32");
  const first = f.local("i32", source);
  pointers.forEach((pointer, i) => {
    f.if_(i32.ltU(i32.constant(i), pixelsLeft), () => {
      f.set(source, first);
      eachTap((offset) => {
        f.set(target, i32.add(pointer, offset));
        f.run(f32.store(target, f32.add(f32.load(target), f32.load(source, 4 * i))));
      });
    });
  });
}

/**
 * directConv: out[x] = bias + Σ_t weight[t] · image[X[x] + T[t]] for one output channel. Without neighbours to share a
 * window with (depthwise convolution), packing would cost more than the arithmetic. Eight pixels at a time; the last,
 * incomplete eight are computed in the scratch tile `edge`.
 */
function emitDirectConv(module: ModuleBuilder, multiplyAdd: MultiplyAdd): FunctionHandle {
  const types = {
    image: "i32",
    pixelTable: "i32",
    pixels: "i32",
    tapTable: "i32",
    taps: "i32",
    weight: "i32",
    bias: "i32",
    out: "i32",
    edge: "i32",
  } as const;
  return module.func("directConv", types, (f, p) => {
    const [x, t, offset, weight, lane] = Array.from({ length: 5 }, () => f.local("i32"));
    const tapEnd = f.local("i32", i32.add(p.tapTable, i32.shl(p.taps, 2)));
    const pointers = Array.from({ length: 8 }, () => f.local("i32"));
    const sums = [f.local("v128"), f.local("v128")];
    const w = f.local("v128");
    const eachTap = (half: (index: number) => Value<"v128">): void => {
      f.set(weight, p.weight);
      f.forRange(t, p.tapTable, tapEnd, 4, () => {
        f.set(offset, i32.load(t));
        f.set(w, v128.loadSplat32(weight));
        sums.forEach((sum, index) => f.set(sum, multiplyAdd(w, half(index), sum)));
        f.increase(weight, 4);
      });
    };
    f.forRange(x, 0, p.pixels, 8, () => {
      pointers.forEach((pointer, i) => f.set(pointer, i32.add(p.image, i32.load(p.pixelTable, 4 * i))));
      for (const sum of sums) f.set(sum, v128.loadSplat32(p.bias));
      f.if_(
        runs(p.pixelTable, 8),
        () => eachTap((index) => v128.load(i32.add(pointers[0], offset), 16 * index)),
        () => eachTap((index) => gather(pointers.slice(4 * index, 4 * index + 4), offset)),
      );
      const storeSums = (address: Value<"i32">): void =>
        sums.forEach((sum, index) => f.run(v128.store(address, sum, 16 * index)));
      f.if_(
        i32.geU(i32.sub(p.pixels, x), 8),
        () => storeSums(p.out),
        () => {
          storeSums(p.edge);
          f.forRange(lane, 0, i32.shl(i32.sub(p.pixels, x), 2), 4, () =>
            f.run(f32.store(i32.add(p.out, lane), f32.load(i32.add(p.edge, lane)))),
          );
        },
      );
      f.increase(p.pixelTable, 32);
      f.increase(p.out, 32);
    });
  });
}

/**
 * directGradWeight: sums[t] += Σ_x grad[x] · image[X[x] + T[t]] for one output channel. A sum is four lanes, whose total
 * is the gradient; it stays in memory while the taps of eight pixels at a time are visited.
 */
function emitDirectGradWeight(module: ModuleBuilder, multiplyAdd: MultiplyAdd): FunctionHandle {
  const types = {
    grad: "i32",
    image: "i32",
    pixelTable: "i32",
    pixels: "i32",
    tapTable: "i32",
    taps: "i32",
    sums: "i32",
  } as const;
  return module.func("directGradWeight", types, (f, p) => {
    const [t, offset, sum] = Array.from({ length: 3 }, () => f.local("i32"));
    const tapEnd = f.local("i32", i32.add(p.tapTable, i32.shl(p.taps, 2)));
    const pointers = Array.from({ length: 8 }, () => f.local("i32"));
    const grads = [f.local("v128"), f.local("v128")];
    const total = f.local("v128");
    /** Adds grads[i] · vectors(i) to every tap's sum. */
    const eachTap = (count: number, vector: (index: number) => Value<"v128">): void => {
      f.set(sum, p.sums);
      f.forRange(t, p.tapTable, tapEnd, 4, () => {
        f.set(offset, i32.load(t));
        f.set(total, v128.load(sum));
        for (let i = 0; i < count; i++) f.set(total, multiplyAdd(grads[i], vector(i), total));
        f.run(v128.store(sum, total));
        f.increase(sum, 16);
      });
    };
    const next = (pixels: number): void => {
      f.increase(p.pixelTable, 4 * pixels);
      f.increase(p.grad, 4 * pixels);
      f.increase(p.pixels, -pixels);
    };
    f.while_(
      () => i32.geU(p.pixels, 8),
      () => {
        pointers.forEach((pointer, i) => f.set(pointer, i32.add(p.image, i32.load(p.pixelTable, 4 * i))));
        grads.forEach((grad, i) => f.set(grad, v128.load(p.grad, 16 * i)));
        f.if_(
          runs(p.pixelTable, 8),
          () => eachTap(2, (i) => v128.load(i32.add(pointers[0], offset), 16 * i)),
          () => eachTap(2, (i) => gather(pointers.slice(4 * i, 4 * i + 4), offset)),
        );
        next(8);
      },
    );
    f.while_(
      () => p.pixels,
      () => {
        f.set(pointers[0], i32.add(p.image, i32.load(p.pixelTable)));
        f.set(grads[0], v128.load32Zero(p.grad));
        eachTap(1, () => v128.load32Zero(i32.add(pointers[0], offset)));
        next(1);
      },
    );
  });
}

/** Four values at pointers[lane] + offset. */
function gather(pointers: readonly Local<"i32">[], offset: Value<"i32">): Value<"v128"> {
  const first = v128.load32Zero(i32.add(pointers[0], offset));
  return pointers
    .slice(1)
    .reduce((vector, pointer, i) => v128.load32Lane(i + 1, i32.add(pointer, offset), vector), first);
}
