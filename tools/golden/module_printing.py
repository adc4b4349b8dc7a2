"""Writes test/golden/module-printing.json: how PyTorch prints modules, by name. test/nn/printing.test.ts builds the same ones."""
import json, os
from collections import OrderedDict
import torch
from torch import nn
from common import GOLDEN

PLAIN = ["ReLU", "ReLU6", "Hardtanh", "Hardswish", "Hardsigmoid", "Sigmoid", "Tanh", "ELU", "CELU", "SELU", "GELU", "SiLU", "Mish", "LeakyReLU",
         "PReLU", "Softmax", "LogSoftmax", "Softmin", "Softmax2d", "Softplus", "Softsign", "LogSigmoid", "Softshrink", "Hardshrink", "Tanhshrink",
         "GLU", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout", "Flatten", "Identity",
         "L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss", "KLDivLoss", "PoissonNLLLoss", "GaussianNLLLoss", "NLLLoss", "CrossEntropyLoss",
         "BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss", "MarginRankingLoss", "HingeEmbeddingLoss",
         "SoftMarginLoss", "CosineEmbeddingLoss", "TripletMarginLoss", "CosineSimilarity", "PairwiseDistance",
         "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"]
relu = nn.ReLU()
OTHERS = {
    "ReLU inplace": nn.ReLU(inplace=True), "ReLU6 inplace": nn.ReLU6(inplace=True), "Hardswish inplace": nn.Hardswish(inplace=True),
    "Hardtanh options": nn.Hardtanh(-2.0, 0.5, inplace=True), "ELU options": nn.ELU(0.4, inplace=True), "CELU options": nn.CELU(0.4, inplace=True),
    "SELU inplace": nn.SELU(inplace=True), "GELU tanh": nn.GELU(approximate="tanh"), "SiLU inplace": nn.SiLU(inplace=True),
    "LeakyReLU options": nn.LeakyReLU(0.2, inplace=True), "LeakyReLU tiny": nn.LeakyReLU(1e-5), "PReLU options": nn.PReLU(8, init=0.3),
    "Softmax dim": nn.Softmax(dim=-1), "LogSoftmax dim": nn.LogSoftmax(1), "Softmin dim": nn.Softmin(1), "GLU dim": nn.GLU(1),
    "Softplus options": nn.Softplus(beta=2.0, threshold=10.0), "Softshrink options": nn.Softshrink(0.3), "Hardshrink options": nn.Hardshrink(1.0),
    "Threshold": nn.Threshold(0.5, -7), "Threshold inplace": nn.Threshold(0.5, -7, inplace=True), "Dropout options": nn.Dropout(0.2, inplace=True),
    "Flatten options": nn.Flatten(0, 2), "Unflatten": nn.Unflatten(1, (2, 3)), "Identity arguments": nn.Identity(54, unused=0.1),
    "Sequential": nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 4), nn.Tanh())),
    "Sequential names": nn.Sequential(OrderedDict([("fc", nn.Linear(3, 4)), ("10", nn.ReLU()), ("2", nn.Tanh())])),
    "Sequential shared": nn.Sequential(relu, nn.Tanh(), relu),
    "ModuleList": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)]),
    "ModuleList nested": nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(3)]),
    "ModuleDict": nn.ModuleDict({"b": nn.ReLU(), "a": nn.ModuleList([nn.ReLU(), nn.ReLU()])}),
    "ParameterList": nn.ParameterList([torch.zeros(2, 3), torch.zeros(4)]), "ParameterList one": nn.ParameterList([torch.zeros(2, 3)]),
    "ParameterList double": nn.ParameterList([torch.zeros(2).double(), torch.zeros(()).double()]),
    "ParameterDict": nn.ParameterDict({"w": torch.zeros(2, 3), "b": torch.zeros(4).double()}),
    "in a list": nn.Sequential(nn.ParameterList([torch.zeros(2, 3)]), nn.ParameterDict({"w": torch.zeros(1), "b": torch.zeros(2)})),
}

printed = {name: repr(getattr(nn, name)()) for name in PLAIN}
printed.update({name: repr(module) for name, module in OTHERS.items()})
path = os.path.join(GOLDEN, "module-printing.json")
with open(path, "w") as file:
    json.dump(dict(torch=torch.__version__, script="tools/golden/module_printing.py", printed=printed), file, indent=1)
    file.write("\n")
print(f"{len(printed)} modules")
