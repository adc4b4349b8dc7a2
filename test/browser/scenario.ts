/** What the browser test runs in Node and in the browser: a small convolutional network in training. No imports. */
import type * as Octet from "../../src/index.ts";

/** Ten steps from fixed weights; the losses, some outputs and the printed model tell whether two machines agree. */
export function train(octet: typeof Octet): { losses: number[]; outputs: number[]; printed: string; error: string } {
  const { Tensor, float32, nn, optim } = octet;
  class Net extends nn.Module {
    conv = new nn.Conv2d(1, 3, 3, { padding: 1 });
    out = new nn.Linear(3 * 6 * 6, 2);

    override forward(x: Octet.Tensor): Octet.Tensor {
      return this.out(this.conv(x).tanh().flatten(1));
    }
  }
  /** Numbers between −1 and 1 that need no random generator. */
  const wave = (shape: readonly number[], step: number): Octet.Tensor => {
    const n = shape.reduce((a, b) => a * b, 1);
    return Tensor.fromArray(
      Float32Array.from({ length: n }, (_, i) => ((i * step) % 2) - 1),
      shape,
      float32,
    );
  };
  const net = new Net();
  for (const parameter of net.parameters()) parameter.data = wave(parameter.shape, 0.37).mul(0.2);
  const [x, target] = [wave([4, 1, 6, 6], 0.11), wave([4, 2], 0.53)];
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.05 });
  const losses = Array.from({ length: 10 }, () => {
    const loss = nn.functional.mseLoss(net(x), target);
    optimizer.zeroGrad();
    octet.autograd.backward([loss]);
    optimizer.step();
    return loss.item();
  });
  return { losses, outputs: [...net(x).toNumbers()], printed: net.toString(), error: errorOf(() => x.add(target)) };
}

function errorOf(body: () => unknown): string {
  try {
    body();
    return "none";
  } catch (error) {
    return String(error);
  }
}
