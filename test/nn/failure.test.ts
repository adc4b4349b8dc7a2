/** Errors inside modules say where in the model they happened. */
import { describe, expect, it } from "vitest";
import { OctetError, nn, quantization as q, quantizePerTensor, quint8, randn } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";

function failure(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

const image = randn([1, 2, 6, 6]);
const quantizedImage = quantizePerTensor(image, 0.05, 128, quint8);

/** A converted model; `features.0` is the convolution. */
function int8(): nn.Module {
  const model = new nn.Sequential({ features: new nn.Sequential(new nn.Conv2d(2, 3, 3), new nn.ReLU()) }).eval();
  model.qconfig = q.getDefaultQconfig("qnnpack");
  const prepared = q.prepare(model);
  prepared(image);
  return q.convert(prepared);
}

describe("an error inside a model", () => {
  it("names the module that lacks a QuantStub, after PyTorch's sentence", () => {
    const error = failure(() => int8()(image));
    expect(error).toBeInstanceOf(OctetError);
    expect(error.message).toBe(
      "Could not run 'quantized::conv2d.new' with arguments from the 'CPU' backend, in module \"features.0\" " +
        "(QuantizedConv2d): its input is a float tensor; place a QuantStub before it",
    );
    expect(error.stack).toContain(error.message);
  });

  it.each([
    ["Conv2d", new nn.Conv2d(2, 3, 3), "Could not run 'aten::conv2d' with arguments from the 'QuantizedCPU' backend"],
    ["LayerNorm", new nn.LayerNorm([6]), ""],
    ["LSTM", new nn.Sequential(new nn.Flatten(1, 2), new nn.LSTM(6, 2)), ""],
  ])("names the float module that gets a quantized tensor: %s", (name, module, sentence) => {
    const model = new nn.Sequential({ first: new nn.Identity(), body: new nn.Sequential({ layer: module }) });
    const { message } = failure(() => model(quantizedImage));
    expect(message).toContain(sentence);
    expect(message).toContain(`in module "body.layer${name === "LSTM" ? ".1" : ""}" (${name})`);
    expect(message).toContain("place a DeQuantStub before it");
  });

  it("names the module for other errors too, once", () => {
    const model = new nn.Sequential({ body: new nn.Sequential(new nn.Conv2d(2, 3, 3)) });
    const { message } = failure(() => model(randn([3, 4])));
    expect(message).toBe(
      'conv2d: expects 3D (unbatched) or 4D (batched) input, got shape [3, 4] (in module "body.0" (Conv2d))',
    );
  });

  it("is as it was for a module that is called by itself", () => {
    const { message } = failure(() => new nn.Conv2d(2, 3, 3)(randn([3, 4])));
    expect(message).toBe("conv2d: expects 3D (unbatched) or 4D (batched) input, got shape [3, 4]");
  });

  it("keeps the path that is known when a module is called that the caller does not hold", () => {
    const inner = new nn.Sequential({ fc: new nn.Linear(2, 2) });
    class Outer extends nn.Module {
      override forward(x: Tensor): Tensor {
        return [inner].map((module) => module(x))[0];
      }
    }
    const { message } = failure(() => new nn.Sequential(new Outer())(randn([1, 3])));
    expect(message).toContain('in module "fc" (Linear)');
  });

  it("leaves errors of other classes alone, and says the same when a call fails again", () => {
    const foreign = new TypeError("mine");
    const model = new nn.Sequential({ body: new nn.Sequential({ layer: new nn.Identity() }) });
    const handle = model.getSubmodule("body.layer").registerForwardHook(() => {
      throw foreign;
    });
    expect(failure(() => model(image))).toBe(foreign);
    expect(foreign.message).toBe("mine");
    handle.remove();
    const own = new OctetError("own");
    model.getSubmodule("body.layer").registerForwardPreHook(() => {
      throw own;
    });
    for (let i = 0; i < 2; i++) {
      expect(failure(() => model(image))).toBe(own);
      expect(own.message).toBe('own (in module "body.layer" (Identity))');
    }
  });
});
