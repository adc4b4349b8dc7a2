/** One training step of a small CNN: forward, backward, update. Eager mode, float32. */
import { manualSeed, nn, optim, randint, randn } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";
import type { BenchCase } from "../harness.ts";
import { octetName } from "./data.ts";

/** Four convolutions with batch normalization and one linear layer: 281,418 parameters for 3×32×32 images. */
class TrainingCNN extends nn.Module {
  conv1 = new nn.Conv2d(3, 64, 3, { padding: 1 });
  bn1 = new nn.BatchNorm2d(64);
  conv2 = new nn.Conv2d(64, 64, 3, { padding: 1 });
  bn2 = new nn.BatchNorm2d(64);
  conv3 = new nn.Conv2d(64, 128, 3, { padding: 1 });
  bn3 = new nn.BatchNorm2d(128);
  conv4 = new nn.Conv2d(128, 128, 3, { padding: 1 });
  bn4 = new nn.BatchNorm2d(128);
  fc = new nn.Linear(128 * 4 * 4, 10);

  override forward(images: Tensor): Tensor {
    let x = F.maxPool2d(this.bn1(this.conv1(images)).relu(), 2);
    x = F.maxPool2d(this.bn2(this.conv2(x)).relu(), 2);
    x = this.bn3(this.conv3(x)).relu();
    x = F.maxPool2d(this.bn4(this.conv4(x)).relu(), 2);
    return this.fc(x.flatten(1));
  }
}

const { functional: F } = nn;
const BATCH = 32;
/** Multiply-adds of the convolutions of one image, twice, for the forward pass; backward costs as much again for each gradient. */
const FORWARD_FLOPS = 2 * 9 * (3 * 64 * 32 ** 2 + 64 * 64 * 16 ** 2 + (64 + 128) * 128 * 8 ** 2);

export async function trainingCases(): Promise<BenchCase[]> {
  manualSeed(0);
  const model = new TrainingCNN();
  const optimizer = new optim.SGD(model.parameters(), { lr: 0.01, momentum: 0.9 });
  const images = randn([BATCH, 3, 32, 32]);
  const labels = randint(0, 10, [BATCH]);
  const step = () => {
    optimizer.zeroGrad();
    F.crossEntropy(model(images), labels).backward();
    optimizer.step();
  };
  const name = `step of a CNN with 0.28 M parameters, batch ${BATCH} of 3×32×32`;
  return [
    { group: "training", name, flops: 3 * BATCH * FORWARD_FLOPS, contestants: [{ who: octetName(), run: step }] },
  ];
}
