/** What comes behind detectors: choosing among boxes that overlap. */
import { int64 } from "../../core/dtype.ts";
import { traceable } from "../../ops/op.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { NodeContext, OnnxOp, OnnxOps } from "../import-context.ts";

/** Corners of a box, the smaller ones first. */
type Box = readonly [y1: number, x1: number, y2: number, x2: number];

/** Boxes are two opposite corners (y, x), or a center and sizes (x, y, width, height). */
function boxAt(boxes: ArrayLike<number>, at: number, isCentered: boolean): Box {
  const [a, b, c, d] = [boxes[at], boxes[at + 1], boxes[at + 2], boxes[at + 3]];
  if (isCentered) return [b - d / 2, a - c / 2, b + d / 2, a + c / 2];
  return [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
}

/** Intersection over union. */
function overlap(a: Box, b: Box): number {
  const height = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const width = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = (box: Box): number => (box[2] - box[0]) * (box[3] - box[1]);
  const union = area(a) + area(b) - height * width;
  return union > 0 ? (height * width) / union : 0;
}

/** The boxes that stay, best first: none overlaps a better one by more than `limit`. */
function kept(
  boxes: readonly Box[],
  scores: ArrayLike<number>,
  most: number,
  limit: number,
  least: number | null,
): number[] {
  const order = boxes
    .map((_, i) => i)
    .filter((i) => least === null || scores[i] > least)
    .sort((i, j) => scores[j] - scores[i] || i - j);
  const chosen: number[] = [];
  for (const i of order) {
    if (chosen.length >= most) break;
    if (chosen.every((j) => overlap(boxes[i], boxes[j]) <= limit)) chosen.push(i);
  }
  return chosen;
}

/** Rows [batch, class, box] of the boxes that stay; boxes [batch, count, 4], scores [batch, classes, count]. */
const chosenBoxes = traceable(
  "onnx.nonMaxSuppression",
  (
    boxes: Tensor,
    scores: Tensor,
    most: Tensor | null,
    limit: Tensor | null,
    least: Tensor | null,
    isCentered: boolean,
  ): Tensor => {
    const [batches, classes, count] = scores.shape;
    const [corners, values] = [boxes.toNumbers(), scores.toNumbers()];
    const rows: number[] = [];
    for (let batch = 0; batch < batches; batch++) {
      const all = Array.from({ length: count }, (_, i) => boxAt(corners, (batch * count + i) * 4, isCentered));
      for (let category = 0; category < classes; category++) {
        const start = (batch * classes + category) * count;
        const mine = values.subarray(start, start + count);
        const stay = kept(all, mine, most?.item() ?? 0, limit?.item() ?? 0, least?.item() ?? null);
        for (const i of stay) rows.push(batch, category, i);
      }
    }
    return Tensor.fromArray(Float64Array.from(rows), [rows.length / 3, 3], int64);
  },
);

const nonMaxSuppression: OnnxOp = {
  since: [10],
  import(c: NodeContext) {
    const options = [c.optional(2), c.optional(3), c.optional(4), c.int("center_point_box", 0) !== 0];
    return c.call(chosenBoxes, [c.input(0), c.input(1), ...options], { dtype: int64, shape: [null, 3] });
  },
};

export const detectionOps: OnnxOps = { NonMaxSuppression: nonMaxSuppression };
