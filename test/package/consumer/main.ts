/**
 * A user's program: type-checked and run against the packed package. What must not compile is marked, so that a type that
 * decayed to `any` shows.
 */
import { Tensor, add, autograd, float32, nn, noGrad, optim } from "octet";

class Net extends nn.Module {
  hidden = new nn.Linear(2, 4);
  out = new nn.Linear(4, 1);

  override forward(x: Tensor, scale: number = 1): Tensor {
    return this.out(this.hidden(x).relu()).mul(scale);
  }
}

const x: Tensor = Tensor.fromArray(Float32Array.of(1, 2, 3, 4), [2, 2], float32);
const y: Tensor = x.add(x, { alpha: 2 });
const sum: Tensor = add(x, 1).sum();
const net = new Net();
const output: Tensor = net(x, 2);

/** Never called. */
export function mistakes(): void {
  // @ts-expect-error an operand is a tensor or a number
  x.add("text");
  // @ts-expect-error no such method
  x.notAMethod();
  // @ts-expect-error the module's own arguments are checked through the call
  net("text");
  // @ts-expect-error and its result is known
  const text: string = noGrad(() => net(x));
  console.log(text);
}

const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 });
autograd.backward([output.sum()]);
optimizer.step();

const shapes: readonly (readonly number[])[] = [y.shape, output.shape, net.hidden.weight.grad!.shape];
console.log(JSON.stringify({ sum: sum.item(), y: y.tolist(), shapes, printed: net.toString() }));
