/** Positions in the containers, which count from the end if negative. */
import { OctetError } from "../../core/errors.ts";

/** `index` as a position in 0 … count − 1; an error names the container. */
export function positionOf(container: string, index: number, count: number): number {
  if (!Number.isInteger(index) || index < -count || index >= count) {
    throw new OctetError(`${container}: index ${index} is out of range for ${count} entries`);
  }
  return index < 0 ? index + count : index;
}
