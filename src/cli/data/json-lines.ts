/**
 * JSON lines: each line is an object from input names to nested arrays, or to `{"shape": …, "data": …}` with flat data.
 * Arrays are given as the model takes them; a batch axis of size 1 may be left out.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { OctetError } from "../../core/errors.ts";
import { openForParts } from "../../core/files.ts";
import type { Choice, DataItem } from "../../data/source.ts";
import { DataSource } from "../../data/source.ts";
import { isJsonObject, parseJson } from "../../io/json.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { describe, fromDeclared, fromNested } from "./nested.ts";

export class JsonLinesSource extends DataSource {
  readonly title: string;
  readonly length = null;
  readonly names = null;

  constructor(path: string) {
    super();
    this.title = path;
    if (openForParts(path).size === 0) throw new OctetError(`${path} is empty: it has no line with a sample`);
  }

  async *items(choose: (position: number) => Choice): AsyncGenerator<DataItem> {
    const stream = createReadStream(this.title, { encoding: "utf8" });
    let [line, index] = [0, 0];
    try {
      for await (const text of createInterface({ input: stream, crlfDelay: Infinity })) {
        line++;
        if (text.trim() === "") continue;
        const choice = choose(index++);
        if (choice === "stop") return;
        if (choice === "skip") continue;
        const where = `${this.title}: line ${line}`;
        yield { index: index - 1, where, inputs: parseLine(text, where) };
      }
    } finally {
      stream.destroy();
    }
    if (index === 0) throw new OctetError(`${this.title} has no line with a sample`);
  }
}

function parseLine(text: string, where: string): Map<string, Tensor> {
  const value = parseJson(new TextEncoder().encode(text), where);
  if (!isJsonObject(value)) {
    throw new OctetError(`${where} holds ${describe(value)}, not an object such as {"input": [[1, 2]]}`);
  }
  return new Map(
    Object.entries(value).map(([name, input]) => {
      const label = `${where}: input ${JSON.stringify(name)}`;
      return [name, isJsonObject(input) ? fromDeclared(input, label) : fromNested(input, label)];
    }),
  );
}
