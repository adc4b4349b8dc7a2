"""Writes test/golden/pooling.json: PyTorch's max and average pooling over odd windows (ceil mode, padding, dilation).

Input element i is (7919 i mod 31) - 15, so that ties occur and float64 sums are exact. Output sizes are recorded as well:
the kernels are given them, the rule that yields them belongs to the operators.
"""

import json
import pathlib

import torch
import torch.nn.functional as F

torch.set_num_threads(1)
OUT = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "pooling.json"
PLANES = 2

# spatial sizes, kernel, stride, padding, dilation, ceil mode
WINDOWS = [
    ([1, 7, 6], [1, 2, 2], [1, 2, 2], [0, 0, 0], [1, 1, 1], False),
    ([1, 7, 6], [1, 2, 2], [1, 2, 2], [0, 0, 0], [1, 1, 1], True),
    ([1, 7, 7], [1, 3, 3], [1, 2, 2], [0, 1, 1], [1, 1, 1], False),
    ([1, 8, 6], [1, 3, 3], [1, 2, 2], [0, 1, 1], [1, 1, 1], True),
    ([1, 9, 11], [1, 3, 2], [1, 2, 3], [0, 1, 1], [1, 2, 3], False),
    ([1, 9, 11], [1, 3, 2], [1, 2, 3], [0, 1, 1], [1, 2, 3], True),
    ([1, 1, 10], [1, 1, 4], [1, 1, 3], [0, 0, 2], [1, 1, 1], True),
    ([1, 4, 4], [1, 4, 4], [1, 1, 1], [0, 2, 2], [1, 1, 1], False),
    ([4, 5, 6], [2, 3, 2], [2, 1, 2], [1, 1, 0], [1, 1, 1], True),
    ([5, 5, 7], [3, 2, 3], [2, 2, 2], [1, 1, 1], [2, 1, 2], False),
]
POLICIES = [(True, None), (False, None), (True, 5)]


def main():
    cases = []
    for size, kernel, stride, padding, dilation, ceil in WINDOWS:
        count = PLANES * size[0] * size[1] * size[2]
        x = ((torch.arange(count) * 7919) % 31 - 15).double().reshape(1, PLANES, *size)
        values, indices = F.max_pool3d(x, kernel, stride, padding, dilation, ceil, return_indices=True)
        case = {
            "inSize": size, "kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation, "ceil": ceil,
            "maxSize": list(values.shape[2:]), "max": values.flatten().tolist(), "indices": indices.flatten().tolist(),
        }
        if dilation == [1, 1, 1]:
            case["average"] = []
            for count_pad, divisor in POLICIES:
                y = F.avg_pool3d(x, kernel, stride, padding, ceil, count_pad, divisor)
                case["average"].append({"countIncludePad": count_pad, "divisorOverride": divisor, "out": y.flatten().tolist()})
                case["averageSize"] = list(y.shape[2:])
        cases.append(case)
    record = {"script": "tools/golden/pooling.py", "torch": torch.__version__, "planes": PLANES, "cases": cases}
    OUT.write_text(json.dumps(record) + "\n")
    print(f"{OUT.name}: {len(cases)} cases")


if __name__ == "__main__":
    main()
