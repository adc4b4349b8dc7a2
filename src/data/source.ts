/**
 * Streams of model inputs: what calibrates a quantized model, and what compares it with the float one. A source gives one
 * item at a time and forgets it, so that memory does not depend on how many there are. Readers of files are in cli/data/.
 */
import { OctetError } from "../core/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** What one call of a model takes; mostly one sample, with a batch axis of size 1. */
export interface DataItem {
  /** Its place in the source that it was read from, whatever was selected since. */
  readonly index: number;
  /** For messages: `samples.npz: sample 17`. */
  readonly where: string;
  /** By name; the name is "" where the source has one input and no name for it. */
  readonly inputs: ReadonlyMap<string, Tensor>;
}

/** What to do with the item at a position. */
export type Choice = "read" | "skip" | "stop";

export interface SplitOptions {
  /** The share of the items that is held out: 0 < heldOut ≤ 0.5. It is taken as one item of every `1 / heldOut`, rounded. */
  readonly heldOut: number;
  /** Which ones; the same seed always holds out the same. Default 0. */
  readonly seed?: number;
}

/** Iterate with `for await`; each iteration begins anew. */
export abstract class DataSource implements AsyncIterable<DataItem> {
  /** What it is, for messages: mostly a path. */
  abstract readonly title: string;
  /** The number of items; null where only reading tells. */
  abstract readonly length: number | null;
  /** The names of the inputs; null where only reading tells. */
  abstract readonly names: readonly string[] | null;

  /**
   * The items that `choose` picks. It is called once for each position from 0 on, in order; items that it skips are not
   * read where the format allows that, and nothing is read after it stops.
   */
  abstract items(choose: (position: number) => Choice): AsyncGenerator<DataItem>;

  [Symbol.asyncIterator](): AsyncGenerator<DataItem> {
    return this.items(() => "read");
  }

  /** The first `count` items. */
  take(count: number): DataSource {
    checkWhole("take", count, 1);
    return new SelectedSource(this, (position) => (position < count ? "read" : "stop"));
  }

  /** Every `count`-th item, so that the shards 1 to `count` are disjoint and complete. */
  shard(number: number, count: number): DataSource {
    checkWhole("shard", count, 1);
    if (!Number.isInteger(number) || number < 1 || number > count) {
      throw new OctetError(`shard: there is no shard ${number} of ${count}; they are numbered from 1 to ${count}`);
    }
    return new SelectedSource(this, (position) => (position % count === number - 1 ? "read" : "skip"));
  }

  /**
   * Two disjoint parts. Of every so many neighbours one is held out, at a place that depends on the seed alone: it works
   * for streams of unknown length, and is not fooled by data that comes in a repeating order.
   */
  split({ heldOut, seed = 0 }: SplitOptions): { calibration: DataSource; heldOut: DataSource } {
    if (!(heldOut > 0 && heldOut <= 0.5)) throw new OctetError(`split: heldOut is ${heldOut}, not within (0, 0.5]`);
    const wanted = Math.max(2, Math.floor(1 / heldOut + 0.5));
    const every = this.length !== null && this.length >= 2 ? Math.min(wanted, this.length) : wanted;
    const isHeldOut = (position: number): boolean =>
      position % every === scramble(Math.floor(position / every), seed) % every;
    return {
      calibration: new SelectedSource(this, (position) => (isHeldOut(position) ? "skip" : "read")),
      heldOut: new SelectedSource(this, (position) => (isHeldOut(position) ? "read" : "skip")),
    };
  }
}

function checkWhole(method: string, count: number, least: number): void {
  if (!Number.isInteger(count) || count < least) {
    throw new OctetError(`${method}: expects a whole number of at least ${least}, got ${count}`);
  }
}

/** A 32-bit number that looks random: the finalizer of MurmurHash3 over both. */
function scramble(block: number, seed: number): number {
  let hash = (block ^ Math.imul(seed, 0x9e3779b1)) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Some of the items of another source. */
class SelectedSource extends DataSource {
  private readonly parent: DataSource;
  private readonly choice: (position: number) => Choice;
  private counted: number | null = null;

  constructor(parent: DataSource, choice: (position: number) => Choice) {
    super();
    this.parent = parent;
    this.choice = choice;
  }

  get title(): string {
    return this.parent.title;
  }

  get names(): readonly string[] | null {
    return this.parent.names;
  }

  get length(): number | null {
    if (this.counted !== null || this.parent.length === null) return this.counted;
    let count = 0;
    for (let position = 0; position < this.parent.length; position++) {
      const choice = this.choice(position);
      if (choice === "stop") break;
      if (choice === "read") count++;
    }
    return (this.counted = count);
  }

  items(choose: (position: number) => Choice): AsyncGenerator<DataItem> {
    let position = 0;
    return this.parent.items((outer) => {
      const choice = this.choice(outer);
      return choice === "read" ? choose(position++) : choice;
    });
  }
}

/** A source whose items are made from those of another, one by one. */
export class MappedSource extends DataSource {
  readonly title: string;
  readonly names: readonly string[] | null;
  private readonly parent: DataSource;
  private readonly change: (item: DataItem) => DataItem;

  constructor(parent: DataSource, names: readonly string[] | null, change: (item: DataItem) => DataItem) {
    super();
    this.title = parent.title;
    this.names = names;
    this.parent = parent;
    this.change = change;
  }

  get length(): number | null {
    return this.parent.length;
  }

  async *items(choose: (position: number) => Choice): AsyncGenerator<DataItem> {
    for await (const item of this.parent.items(choose)) yield this.change(item);
  }
}

/** Items that are in memory. */
export class MemorySource extends DataSource {
  readonly title: string;
  readonly names: readonly string[] | null;
  private readonly inputs: readonly ReadonlyMap<string, Tensor>[];

  constructor(inputs: readonly ReadonlyMap<string, Tensor>[], title = "data") {
    super();
    this.title = title;
    this.inputs = inputs;
    this.names = inputs.length ? [...inputs[0].keys()] : null;
  }

  get length(): number {
    return this.inputs.length;
  }

  async *items(choose: (position: number) => Choice): AsyncGenerator<DataItem> {
    for (const [index, inputs] of this.inputs.entries()) {
      const choice = choose(index);
      if (choice === "stop") return;
      if (choice === "read") yield { index, where: `${this.title}: sample ${index}`, inputs };
    }
  }
}
