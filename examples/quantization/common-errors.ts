/** The two errors that a missing stub leads to, and what mends them. */
import type { Tensor } from "octet";
import { nn, noGrad, quantization as q, randn } from "octet";
import { runDirectly } from "./run.ts";

/** Passes a float tensor to a quantized layer: there is no QuantStub. */
class WithoutQuantStub extends nn.Module {
  conv = new nn.Conv2d(1, 1, 1);

  override forward(x: Tensor): Tensor {
    return this.conv(x);
  }
}

/** Mended. What it returns is quantized, because there is no DeQuantStub. */
class WithQuantStub extends nn.Module {
  quant = new q.QuantStub();
  conv = new nn.Conv2d(1, 1, 1);

  override forward(x: Tensor): Tensor {
    // becomes a quantizePerTensor call in the converted model
    return this.conv(this.quant(x));
  }
}

/** Passes a quantized tensor to a layer that stays float. */
class WithoutDeQuantStub extends nn.Module {
  quant = new q.QuantStub();
  conv1 = new nn.Conv2d(1, 1, 1);
  // This one is not to be quantized.
  conv2 = new nn.Conv2d(1, 1, 1);

  override forward(input: Tensor): Tensor {
    const x = this.conv1(this.quant(input));
    return this.conv2(x);
  }
}

/** Mended. */
class WithDeQuantStub extends WithoutDeQuantStub {
  dequant = new q.DeQuantStub();

  override forward(input: Tensor): Tensor {
    const x = this.conv1(this.quant(input));
    // becomes a dequantize call in the converted model
    return this.conv2(this.dequant(x));
  }
}

function converted(m: nn.Module, x: Tensor): nn.Module {
  m.eval();
  m.qconfig = q.getDefaultQconfig("x86");
  if (m instanceof WithoutDeQuantStub) m.conv2.qconfig = null;
  const prepared = q.prepare(m);
  noGrad(() => prepared(x) as Tensor); // calibration
  return q.convert(prepared);
}

/** The result, or the error's text. */
function attempt(m: nn.Module, x: Tensor): Tensor | string {
  try {
    return noGrad(() => converted(m, x)(x) as Tensor);
  } catch (error) {
    return (error as Error).message;
  }
}

export function main() {
  const x = randn([1, 1, 4, 4]);
  return {
    floatIntoQuantized: attempt(new WithoutQuantStub(), x),
    withQuantStub: attempt(new WithQuantStub(), x),
    quantizedIntoFloat: attempt(new WithoutDeQuantStub(), x),
    withDeQuantStub: attempt(new WithDeQuantStub(), x),
  };
}

runDirectly(import.meta.url, main);
