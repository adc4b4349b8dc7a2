/**
 * Learning-rate schedules (`torch.optim.lr_scheduler`). Each computes the next rate from the present one, so that several
 * schedulers on one optimizer compose, as in PyTorch.
 */
import { OctetError } from "../core/errors.ts";
import type { Optimizer } from "./optimizer.ts";

type Group = { lr: number; initialLr?: number };

/** Sets the rate of every group once when made (epoch 0) and once per {@link step}. */
export abstract class LRScheduler {
  readonly optimizer: Optimizer<{ lr: number }>;
  /** Rates that the groups had before any scheduler. */
  readonly baseLrs: readonly number[];
  /** Number of steps taken. */
  lastEpoch = 0;

  constructor(optimizer: Optimizer<never> | Optimizer<{ lr: number }>) {
    this.optimizer = optimizer as Optimizer<{ lr: number }>;
    this.baseLrs = this.groups.map((group) => (group.initialLr ??= group.lr));
  }

  private get groups(): Group[] {
    return this.optimizer.paramGroups;
  }

  /** The rate of a group at `lastEpoch`, from its rate one step before. */
  protected abstract nextLr(lr: number, baseLr: number, epoch: number): number;

  /** Advances by one epoch (or batch: the unit is the caller's). Call it after `optimizer.step()`. */
  step(): void {
    this.lastEpoch++;
    this.groups.forEach((group, i) => (group.lr = this.nextLr(group.lr, this.baseLrs[i], this.lastEpoch)));
  }

  /** The rates that the last step set. */
  getLastLr(): number[] {
    return this.groups.map((group) => group.lr);
  }

  stateDict(): { lastEpoch: number } {
    return { lastEpoch: this.lastEpoch };
  }

  loadStateDict(state: { lastEpoch: number }): void {
    this.lastEpoch = state.lastEpoch;
  }
}

type AnyOptimizer = ConstructorParameters<typeof LRScheduler>[0];

/** Multiplies the rate by `gamma` every `stepSize` epochs. */
export class StepLR extends LRScheduler {
  readonly stepSize: number;
  readonly gamma: number;

  constructor(optimizer: AnyOptimizer, stepSize: number, options: { gamma?: number } = {}) {
    super(optimizer);
    if (!Number.isInteger(stepSize) || stepSize < 1) throw new OctetError(`StepLR: invalid stepSize: ${stepSize}`);
    this.stepSize = stepSize;
    this.gamma = options.gamma ?? 0.1;
  }

  protected override nextLr(lr: number, _baseLr: number, epoch: number): number {
    return epoch % this.stepSize === 0 ? lr * this.gamma : lr;
  }
}

/** Multiplies the rate by `gamma` at each of the given epochs. */
export class MultiStepLR extends LRScheduler {
  readonly milestones: readonly number[];
  readonly gamma: number;

  constructor(optimizer: AnyOptimizer, milestones: readonly number[], options: { gamma?: number } = {}) {
    super(optimizer);
    this.milestones = milestones;
    this.gamma = options.gamma ?? 0.1;
  }

  protected override nextLr(lr: number, _baseLr: number, epoch: number): number {
    return lr * this.gamma ** this.milestones.filter((m) => m === epoch).length;
  }
}

/** Multiplies the rate by `gamma` every epoch. */
export class ExponentialLR extends LRScheduler {
  readonly gamma: number;

  constructor(optimizer: AnyOptimizer, gamma: number) {
    super(optimizer);
    this.gamma = gamma;
  }

  protected override nextLr(lr: number): number {
    return lr * this.gamma;
  }
}

/** Multiplies each group's first rate by `lambda(epoch)`. */
export class LambdaLR extends LRScheduler {
  private readonly lambda: (epoch: number) => number;

  constructor(optimizer: AnyOptimizer, lambda: (epoch: number) => number) {
    super(optimizer);
    this.lambda = lambda;
    this.optimizer.paramGroups.forEach((group, i) => (group.lr = this.baseLrs[i] * lambda(0)));
  }

  protected override nextLr(_lr: number, baseLr: number, epoch: number): number {
    return baseLr * this.lambda(epoch);
  }
}

/**
 * Follows half a cosine from the first rate down to `etaMin` over `tMax` epochs, and back up after that
 * (Loshchilov and Hutter, 2017, without restarts).
 */
export class CosineAnnealingLR extends LRScheduler {
  readonly tMax: number;
  readonly etaMin: number;

  constructor(optimizer: AnyOptimizer, tMax: number, options: { etaMin?: number } = {}) {
    super(optimizer);
    if (!(tMax > 0)) throw new OctetError(`CosineAnnealingLR: invalid tMax: ${tMax}`);
    this.tMax = tMax;
    this.etaMin = options.etaMin ?? 0;
  }

  protected override nextLr(lr: number, baseLr: number, epoch: number): number {
    const { tMax, etaMin } = this;
    const angle = (e: number) => Math.cos((Math.PI * e) / tMax);
    if ((epoch - 1 - tMax) % (2 * tMax) === 0) {
      // Leaving the minimum: the ratio below would divide by zero.
      return lr + ((baseLr - etaMin) * (1 - Math.cos(Math.PI / tMax))) / 2;
    }
    return ((1 + angle(epoch)) / (1 + angle(epoch - 1))) * (lr - etaMin) + etaMin;
  }
}
