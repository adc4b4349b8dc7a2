/** MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381) with random weights: 3.5 million parameters, 0.3 G multiply-adds at 224². */
import { flatten, nn } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";

function convBnRelu(
  inChannels: number,
  outChannels: number,
  kernel: number,
  stride: number,
  groups: number,
): nn.Module[] {
  return [
    new nn.Conv2d(inChannels, outChannels, kernel, { stride, padding: (kernel - 1) / 2, groups, bias: false }),
    new nn.BatchNorm2d(outChannels),
    new nn.ReLU6(),
  ];
}

class InvertedResidual extends nn.Module {
  conv: nn.Sequential;
  private readonly addsInput: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number) {
    super();
    const hidden = inChannels * expansion;
    this.addsInput = stride === 1 && inChannels === outChannels;
    this.conv = new nn.Sequential(
      ...(expansion === 1 ? [] : convBnRelu(inChannels, hidden, 1, 1, 1)),
      ...convBnRelu(hidden, hidden, 3, stride, hidden),
      new nn.Conv2d(hidden, outChannels, 1, { bias: false }),
      new nn.BatchNorm2d(outChannels),
    );
  }

  override forward(x: Tensor): Tensor {
    const y = this.conv(x) as Tensor;
    return this.addsInput ? x.add(y) : y;
  }
}

/** Expansion, channels, repetitions, stride of the first. */
const STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

function stages(): nn.Module[] {
  const made: nn.Module[] = [];
  let channels = 32;
  for (const [expansion, outChannels, repetitions, stride] of STAGES) {
    for (let i = 0; i < repetitions; i++) {
      made.push(new InvertedResidual(channels, outChannels, i === 0 ? stride : 1, expansion));
      channels = outChannels;
    }
  }
  return made;
}

export class MobileNetV2 extends nn.Module {
  features = new nn.Sequential(...convBnRelu(3, 32, 3, 2, 1), ...stages(), ...convBnRelu(320, 1280, 1, 1, 1));
  pool = new nn.AdaptiveAvgPool2d([1, 1]);
  classifier = new nn.Sequential(new nn.Dropout(0.2), new nn.Linear(1280, 1000));

  override forward(images: Tensor): Tensor {
    const x = this.pool(this.features(images) as Tensor);
    return this.classifier(flatten(x, 1)) as Tensor;
  }
}
