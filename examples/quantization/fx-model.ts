/** The model that the examples of graph mode quantize, written as for floats. */
import type { Tensor } from "octet";
import { flatten, nn, relu } from "octet";

export class UserModel extends nn.Module {
  conv = new nn.Conv2d(3, 4, 3, { padding: 1 });
  bn = new nn.BatchNorm2d(4);
  pool = new nn.AdaptiveAvgPool2d([1, 1]);
  fc = new nn.Linear(4, 2);

  override forward(x: Tensor): Tensor {
    const y = relu(this.bn(this.conv(x)));
    return this.fc(flatten(this.pool(y.add(y)), 1));
  }
}
