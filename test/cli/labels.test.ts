/** Labels from files. */
import { writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { float16, float32, int64, io } from "octet";
import { readLabels } from "../../src/cli/data/labels.ts";
import { MemorySource } from "../../src/data/source.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { temporaryFolder } from "./octet.ts";

const file = temporaryFolder();
const three = new MemorySource([new Map(), new Map(), new Map()], "three");

function write(name: string, text: string): string {
  writeFileSync(file(name), text);
  return file(name);
}

it("reads arrays, JSON and lines", () => {
  const labels = Float64Array.of(3, 0, 12);
  io.saveNpy(file("a.npy"), Tensor.fromArray(labels, [3, 1], int64));
  expect(readLabels(file("a.npy"), three)).toEqual(labels);
  expect(readLabels(write("a.json", "[3, 0, 12]"), three)).toEqual(labels);
  expect(readLabels(write("a.txt", "3\n0\r\n12\n"), three)).toEqual(labels);
});

it("refuses anything else in one line", () => {
  const refusal = (path: string): string => {
    try {
      readLabels(path, three);
    } catch (error) {
      return (error as Error).message.replace(`${path}`, "PATH");
    }
    throw new Error(`${path} is taken`);
  };
  expect(refusal(write("b.txt", "1\nx\n2"))).toBe('PATH: line 2 is "x", not a whole number');
  expect(refusal(write("b.txt", "1\n2"))).toBe("PATH has 2 labels, but three has 3 samples");
  expect(refusal(write("b.json", '{"a": 1}'))).toBe("PATH: labels are not a JSON array of numbers");
  expect(refusal(write("c.json", "[1, 2.5, 3]"))).toBe("PATH: label 1 is 2.5, not a whole number of at least 0");
  expect(refusal(write("d.json", "[1, -2, 3]"))).toMatch(/label 1 is -2/);
  expect(refusal(write("b.csv", "1"))).toBe("PATH: labels are read from .npy, .json or .txt files");
  io.saveNpy(file("b.npy"), Tensor.zeros([3, 2], float32));
  expect(refusal(file("b.npy"))).toBe("PATH: labels have shape [3, 2], expected one number per sample: [N]");
  io.saveNpy(file("half.npy"), Tensor.zeros([3], float16));
  expect(refusal(file("half.npy"))).toBe("PATH: labels are float16; save them as integers");
});
