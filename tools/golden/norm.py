"""Golden data for normalizations: functions and modules, in training and in evaluation."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from common import Family

f = Family("norm", seed=41)


def statistics(channels):
    return dict(running_mean=f.randn(channels), running_var=f.rand(channels) + 0.5)


def affine(*shape):
    return dict(weight=f.randn(*shape), bias=f.randn(*shape))


def batch_norm(name, shape, inputs, **kw):
    """Returns the running statistics as well, which training changes; they take no part in the graph."""
    def run(input, running_mean=None, running_var=None, weight=None, bias=None):
        out = F.batch_norm(input, running_mean, running_var, weight, bias, **kw)
        return [out] + [t for t in (running_mean, running_var) if t is not None]
    inputs = dict(input=f.randn(*shape) * 2 + 0.5, **inputs)
    f.function(f"batch_norm_{name}", "batchNorm", run, inputs, kw, [k for k in inputs if "running" not in k])


batch_norm("eval", (2, 3, 4, 2), {**statistics(3), **affine(3)})
batch_norm("eval_plain", (4, 3), statistics(3))
batch_norm("eval_weight_only", (2, 3, 5), {**statistics(3), "weight": f.randn(3)}, eps=0.1)
batch_norm("training", (2, 3, 4, 2), {**statistics(3), **affine(3)}, training=True)
batch_norm("training_momentum", (3, 2, 5), {**statistics(2), **affine(2)}, training=True, momentum=0.7, eps=0.01)
batch_norm("training_2d", (6, 3), {**statistics(3), **affine(3)}, training=True)
batch_norm("training_3d", (2, 2, 2, 3, 2), {**statistics(2), **affine(2)}, training=True)
batch_norm("training_no_statistics", (2, 3, 4), affine(3), training=True)
batch_norm("training_plain", (2, 3, 4), {}, training=True)
batch_norm("training_no_momentum", (2, 3, 4), {**statistics(3), **affine(3)}, training=True, momentum=0.0)


def layer_norm(name, shape, normalized, inputs, **kw):
    f.function(f"layer_norm_{name}", "layerNorm", lambda input, **a: F.layer_norm(input, normalized, **a, **kw),
               dict(input=f.randn(*shape) * 2 + 0.5, **inputs), dict(normalized_shape=normalized, **kw))


layer_norm("last", (2, 3, 5), [5], affine(5))
layer_norm("two_dimensions", (2, 3, 4), [3, 4], affine(3, 4))
layer_norm("all", (3, 4), [3, 4], {})
layer_norm("weight_only", (2, 6), [6], dict(weight=f.randn(6)), eps=0.1)
layer_norm("wide", (3, 37), [37], affine(37))
layer_norm("empty", (0, 3), [3], affine(3))


def group_norm(name, shape, groups, inputs, **kw):
    f.function(f"group_norm_{name}", "groupNorm", lambda input, **a: F.group_norm(input, groups, **a, **kw),
               dict(input=f.randn(*shape) * 2 + 0.5, **inputs), dict(num_groups=groups, **kw))


group_norm("affine", (2, 6, 3, 2), 3, affine(6))
group_norm("one_group", (2, 4, 3), 1, affine(4))
group_norm("group_per_channel", (2, 4, 3), 4, {})
group_norm("2d", (3, 6), 2, affine(6), eps=0.1)


def instance_norm(name, shape, inputs, **kw):
    def run(input, running_mean=None, running_var=None, **a):
        out = F.instance_norm(input, running_mean, running_var, **a, **kw)
        return [out] + [t for t in (running_mean, running_var) if t is not None]
    inputs = dict(input=f.randn(*shape) * 2 + 0.5, **inputs)
    f.function(f"instance_norm_{name}", "instanceNorm", run, inputs, kw, [k for k in inputs if "running" not in k])


instance_norm("plain", (2, 3, 5), {})
instance_norm("affine", (2, 3, 2, 3), affine(3), eps=0.1)
instance_norm("running", (2, 3, 4), {**statistics(3), **affine(3)}, momentum=0.3)
instance_norm("use_running", (2, 3, 4), {**statistics(3), **affine(3)}, use_input_stats=False)

f.function("rms_norm", "rmsNorm", lambda input, weight: F.rms_norm(input, [4], weight, 1e-5),
           dict(input=f.randn(3, 4), weight=f.randn(4)), dict(normalized_shape=[4], eps=1e-5))
f.function("rms_norm_default_eps", "rmsNorm", lambda input: F.rms_norm(input, [3, 4]), dict(input=f.randn(2, 3, 4) * 1e-3),
           dict(normalized_shape=[3, 4]))


def normalize(name, x, **kw):
    f.function(f"normalize_{name}", "normalize", lambda input: F.normalize(input, **kw), dict(input=x), kw)


normalize("default", f.randn(3, 4))
normalize("p1", f.randn(2, 3, 4), p=1.0, dim=-1)
normalize("p3", f.randn(2, 3, 4), p=3.0, dim=0)
normalize("large_eps", f.randn(2, 3) * 0.1, eps=10.0)


def module(name, shape, args, training=True, **kw):
    op = name.split("_")[0]

    def make():
        """Weights and statistics away from their initial 1 and 0."""
        m = getattr(nn, op)(*args, **kw)
        with torch.no_grad():
            for p in m.parameters():
                p.copy_(torch.randn(p.shape))
            for key, b in m.named_buffers():
                if b.is_floating_point():
                    b.copy_(torch.rand(b.shape) + 0.5)
        return m

    f.module(name, op, make, dict(input=f.randn(*shape) * 2 + 0.5), args, kw, training=training)


for rank, shape in [(1, (4, 3, 2)), (2, (2, 3, 3, 2)), (3, (2, 3, 2, 2, 2))]:
    module(f"BatchNorm{rank}d", shape, [3])
    module(f"BatchNorm{rank}d_eval", shape, [3], training=False)
    module(f"InstanceNorm{rank}d", shape, [3])
    module(f"InstanceNorm{rank}d_affine", shape, [3], affine=True, eps=0.01)
    module(f"InstanceNorm{rank}d_tracking", shape, [3], affine=True, track_running_stats=True, momentum=0.4)
    module(f"InstanceNorm{rank}d_tracking_eval", shape, [3], training=False, affine=True, track_running_stats=True)
module("BatchNorm1d_2d", (5, 3), [3], momentum=0.5, eps=0.1)
module("BatchNorm2d_plain", (2, 3, 3, 2), [3], affine=False)
module("BatchNorm2d_no_tracking", (2, 3, 3, 2), [3], track_running_stats=False)
module("BatchNorm2d_no_tracking_eval", (2, 3, 3, 2), [3], training=False, track_running_stats=False)
module("InstanceNorm1d_unbatched", (3, 5), [3], affine=True)
module("InstanceNorm2d_unbatched", (3, 4, 2), [3], track_running_stats=True)
module("LayerNorm", (2, 3, 4), [4])
module("LayerNorm_two_dimensions", (2, 3, 4), [[3, 4]], eps=0.1)
module("LayerNorm_no_bias", (2, 4), [4], bias=False)
module("LayerNorm_plain", (2, 4), [4], elementwise_affine=False)
module("GroupNorm", (2, 6, 4), [3, 6])
module("GroupNorm_plain", (2, 6, 2, 2), [2, 6], affine=False, eps=0.1)
module("RMSNorm", (2, 3, 4), [4])
module("RMSNorm_plain", (2, 3, 4), [[3, 4]], elementwise_affine=False, eps=0.1)
f.save()
