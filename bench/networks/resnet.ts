/** ResNet-18 (He et al. 2015, arXiv:1512.03385) with random weights: 11.7 million parameters, 1.8 G multiply-adds at 224². */
import { flatten, nn } from "../../src/index.ts";
import type { Tensor } from "../../src/index.ts";

class BasicBlock extends nn.Module {
  conv1: nn.Conv2d;
  bn1: nn.BatchNorm2d;
  relu = new nn.ReLU();
  conv2: nn.Conv2d;
  bn2: nn.BatchNorm2d;
  downsample: nn.Sequential | null;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    this.conv1 = new nn.Conv2d(inChannels, channels, 3, { stride, padding: 1, bias: false });
    this.bn1 = new nn.BatchNorm2d(channels);
    this.conv2 = new nn.Conv2d(channels, channels, 3, { padding: 1, bias: false });
    this.bn2 = new nn.BatchNorm2d(channels);
    const isSame = stride === 1 && inChannels === channels;
    this.downsample = isSame
      ? null
      : new nn.Sequential(
          new nn.Conv2d(inChannels, channels, 1, { stride, bias: false }),
          new nn.BatchNorm2d(channels),
        );
  }

  override forward(x: Tensor): Tensor {
    const y = this.bn2(this.conv2(this.relu(this.bn1(this.conv1(x)))));
    const identity = this.downsample ? (this.downsample(x) as Tensor) : x;
    return this.relu(y.add(identity));
  }
}

function layer(inChannels: number, channels: number, stride: number): nn.Sequential {
  return new nn.Sequential(new BasicBlock(inChannels, channels, stride), new BasicBlock(channels, channels, 1));
}

export class ResNet18 extends nn.Module {
  conv1 = new nn.Conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false });
  bn1 = new nn.BatchNorm2d(64);
  relu = new nn.ReLU();
  maxpool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
  layer1 = layer(64, 64, 1);
  layer2 = layer(64, 128, 2);
  layer3 = layer(128, 256, 2);
  layer4 = layer(256, 512, 2);
  avgpool = new nn.AdaptiveAvgPool2d([1, 1]);
  fc = new nn.Linear(512, 1000);

  override forward(images: Tensor): Tensor {
    let x = this.maxpool(this.relu(this.bn1(this.conv1(images)))) as Tensor;
    for (const stage of [this.layer1, this.layer2, this.layer3, this.layer4]) x = stage(x) as Tensor;
    return this.fc(flatten(this.avgpool(x), 1));
  }
}
