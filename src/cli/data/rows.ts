/** Samples in the rows of arrays: .npz, .npy and safetensors. The first axis counts them; they are read one at a time. */
import { OctetError, formatShape } from "../../core/errors.ts";
import { openForParts, namingFile } from "../../core/files.ts";
import type { Choice, DataItem } from "../../data/source.ts";
import { DataSource } from "../../data/source.ts";
import type { ByteParts } from "../../io/byte-parts.ts";
import type { RowReader, StoredArray } from "../../io/stored-arrays.ts";
import { openNpy, openNpz, openSafetensors } from "../../io/stored-arrays.ts";
import { reshape } from "../../ops/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";

export function npzSource(path: string): DataSource {
  return rowSource(path, openNpz);
}

export function safetensorsSource(path: string): DataSource {
  return rowSource(path, openSafetensors);
}

/** One input, without a name. */
export function npySource(path: string): DataSource {
  return rowSource(path, (file) => new Map([["", openNpy(file)]]));
}

function rowSource(path: string, open: (file: ByteParts) => Map<string, StoredArray>): DataSource {
  const file = openForParts(path);
  return new RowSource(
    path,
    namingFile(path, () => open(file)),
  );
}

/** Arrays of equal length; one without axes, a single number, belongs to every sample. */
class RowSource extends DataSource {
  readonly title: string;
  readonly length: number;
  private readonly arrays: ReadonlyMap<string, StoredArray>;

  constructor(path: string, arrays: ReadonlyMap<string, StoredArray>) {
    super();
    this.title = path;
    this.arrays = arrays;
    const listed = [...arrays].filter(([, { shape }]) => shape.length > 0);
    const lengths = new Set(listed.map(([, { shape }]) => shape[0]));
    if (!listed.length) throw new OctetError(`${path} holds no array whose first axis could be samples`);
    if (lengths.size > 1) {
      const found = listed.map(([name, { shape }]) => `${name} ${formatShape(shape)}`).join(", ");
      throw new OctetError(`${path}: the arrays have different numbers of samples (sizes of the first axis): ${found}`);
    }
    this.length = listed[0][1].shape[0];
    if (this.length === 0) throw new OctetError(`${path} holds no samples: the first axis has size 0`);
  }

  get names(): readonly string[] {
    return [...this.arrays.keys()];
  }

  async *items(choose: (position: number) => Choice): AsyncGenerator<DataItem> {
    const readers = new Map([...this.arrays].map(([name, array]) => [name, rowsOf(array)]));
    for (let index = 0; index < this.length; index++) {
      const choice = choose(index);
      if (choice === "stop") return;
      if (choice === "skip") continue;
      const inputs = namingFile(this.title, () => new Map([...readers].map(([name, read]) => [name, read(index)])));
      yield { index, where: `${this.title}: sample ${index}`, inputs };
    }
  }
}

/** Rows with a batch axis in front. */
function rowsOf(array: StoredArray): RowReader {
  if (!array.shape.length) {
    const value: Tensor = array.load();
    return () => value;
  }
  const read = array.open();
  return (index) => {
    const row = read(index);
    return reshape(row, [1, ...row.shape]);
  };
}
