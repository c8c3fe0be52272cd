"""A dense block whose memory grows with its feature maps, not with their every use.

In a dense block a feature map is read by all later layers, and each of them normalises it anew and keeps what it
read: memory that is quadratic in the number of layers. But the mean and variance of a map do not depend on who reads
it. So here every map is stored once and measured once; a layer's input, concatenated, normalised, scaled and
rectified, is two passes over the stored maps, cheap enough to be made again for the gradient instead of being kept.

The measured statistics go into batch norm where running ones go in evaluation: that form of it normalises, and gives
the gradients of scale and shift, in one pass each, in bfloat16 too, where PyTorch's arithmetic on tensors of two
precisions would first copy each of them into float32.

What stays until the backward pass: the maps themselves, and the 4k maps of each bottleneck.

With x̂ = (x − μ) / σ of a map x, and g the sum of the gradients by x̂ that its readers send back, what reaches x is batch
norm's own backward formula, once for all readers: (g − mean(g) − x̂ · mean(g · x̂)) / σ. The first term comes from each
reader with the statistics taken as given; the two means are summed up beside it.

That the concatenations need not be kept is from Pleiss et al., arXiv 1707.06990, who share memory between them.
"""

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

aten = torch.ops.aten


def efficient_block(layers: nn.Sequential, x: Tensor) -> Tensor:
    """What `DenseBlock` computes in training, (N, c_in, H, W) to (N, c_in + layers · k, H, W), within rounding."""
    return _Block.apply(layers, x, *(parameter for layer in layers for parameter in layer.parameters()))


class _Block(Function):
    @staticmethod
    def forward(ctx, layers: nn.Sequential, x: Tensor, *parameters: Tensor) -> Tensor:
        """x, (N, c_in, H, W), and behind it what each layer adds: (N, c_out, H, W), channels last.

        `parameters` are those of the layers, in their order; they are arguments so that autograd asks for their
        gradients. Kept for `backward`: the maps; their means and inverse standard deviations, (c_out,) each; and of
        each bottleneck its output, (N, 4k, H, W), with mean and inverse standard deviation, (4k,) each.
        """
        n, c_in, h, w = x.shape
        growth = layers[0].H[-1].out_channels
        c_out = c_in + growth * len(layers)
        maps = torch.empty((n, c_out, h, w), dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
        mean, inverse = torch.empty((2, c_out), dtype=parameters[0].dtype, device=x.device)
        read, active = torch.empty((2, _room(layers, maps)), dtype=x.dtype, device=x.device)
        maps[:, :c_in], mean[:c_in], inverse[:c_in] = x, *_measure(x, layers[0].H[0].eps)

        c, count, narrow = c_in, n * h * w, []
        for layer in layers:
            norm, _, conv, *bottleneck = layer.H
            y = conv(_activated(_read(maps, c, read), norm, mean[:c], inverse[:c], active))
            # The running statistics move as batch norm moves them, with the unbiased variance.
            norm.running_mean.lerp_(mean[:c], norm.momentum)
            norm.running_var.lerp_(_variance(inverse[:c], norm) * count / (count - 1), norm.momentum)
            norm.num_batches_tracked += 1
            if bottleneck:
                norm, _, conv = bottleneck
                normalised, *measured = aten.native_batch_norm(
                    y, norm.weight, norm.bias, norm.running_mean, norm.running_var, True, norm.momentum, norm.eps
                )
                norm.num_batches_tracked += 1
                narrow += [y, *measured]
                y = conv(normalised.relu_())
            new = slice(c, c + growth)
            maps[:, new], mean[new], inverse[new] = y, *_measure(y, norm.eps)
            c += growth

        ctx.layers, ctx.growth = layers, growth
        ctx.save_for_backward(maps, mean, inverse, *narrow)
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        """The gradients by x and by each of the parameters, from that by the block's output, (N, c_out, H, W).

        From the last layer to the first: its own maps' gradient is complete, since all their readers come later. It
        goes back through the layer, whose input is normalised again, and is added to that of the maps read.
        """
        maps, mean, inverse, *narrow = ctx.saved_tensors
        n, c, h, w = maps.shape
        count = n * h * w
        read, active = torch.empty((2, _room(ctx.layers, maps)), dtype=maps.dtype, device=maps.device)
        # By the maps, their statistics taken as given: of the block's output, and of every reader.
        given = torch.empty_like(maps).copy_(gradient)
        sum_g, sum_g_xhat = torch.zeros_like(mean), torch.zeros_like(mean)  # over batch and pixels

        def gradient_by(part: slice) -> Tensor:
            """All of it, by some of the maps: the formula above, sorted by powers of x."""
            s, m, g, g_xhat = (each[part].view(1, -1, 1, 1) for each in (inverse, mean, sum_g, sum_g_xhat))
            g, g_xhat = g / count, g_xhat / count
            x = maps[:, part].to(mean.dtype)
            through_statistics = torch.addcmul(s * (s * m * g_xhat - g), x, -s * s * g_xhat)
            return through_statistics.add_(given[:, part]).to(maps.dtype)

        parameter_gradients = []
        for layer in reversed(ctx.layers):
            c -= ctx.growth  # now the channels that this layer reads
            g = gradient_by(slice(c, c + ctx.growth))
            norm, _, conv, *bottleneck = layer.H
            inner = ()
            if bottleneck:
                *narrow, y, y_mean, y_inverse = narrow
                inner_norm, _, inner_conv = bottleneck
                activated = _activated(y, inner_norm, y_mean, y_inverse, active)
                g, g_kernel = _through_conv(g, activated, inner_conv)
                measured = (None, None, y_mean, y_inverse, True)
                g, *inner = aten.native_batch_norm_backward(
                    g, y, inner_norm.weight, *measured, inner_norm.eps, [True] * 3
                )
                inner.append(g_kernel)
            features = _read(maps, c, read)
            activated = _activated(features, norm, mean[:c], inverse[:c], active)
            g, g_kernel = _through_conv(g, activated, conv)
            as_given = (mean[:c], _variance(inverse[:c], norm), None, None, False)
            g, g_scale, g_shift = aten.native_batch_norm_backward(
                g, features, norm.weight, *as_given, norm.eps, [True] * 3
            )
            given[:, :c] += g
            sum_g[:c] += norm.weight * g_shift
            sum_g_xhat[:c] += norm.weight * g_scale
            parameter_gradients = [g_scale, g_shift, g_kernel, *inner, *parameter_gradients]
        return None, gradient_by(slice(0, c)), *parameter_gradients


def _room(layers: nn.Sequential, maps: Tensor) -> int:
    """Numbers in the most that is activated at once: all maps, or in a block of few layers the 4k of a bottleneck."""
    n, c_out, h, w = maps.shape
    return n * h * w * max(c_out, layers[0].H[-1].in_channels)


def _measure(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The mean of each channel and 1 / √(variance + eps), over batch and pixels."""
    # Given a scale and a shift in float32, it measures bfloat16 maps in float32 too.
    dtype = torch.promote_types(x.dtype, torch.float32)
    scale, shift = x.new_ones(x.shape[1], dtype=dtype), x.new_zeros(x.shape[1], dtype=dtype)
    return aten.native_batch_norm(x, scale, shift, None, None, True, 0.0, eps)[1:]


def _read(maps: Tensor, c: int, memory: Tensor) -> Tensor:
    """The first c of the maps as a tensor of their own, in the given memory: a concatenation."""
    return _like(maps[:, :c], memory).copy_(maps[:, :c])


def _activated(x: Tensor, norm: nn.BatchNorm2d, mean: Tensor, inverse: Tensor, memory: Tensor) -> Tensor:
    """BN–ReLU of (N, C, H, W) with these statistics, in the given memory."""
    unused = mean.new_empty(0)
    places = {"out": _like(x, memory), "save_mean": unused, "save_invstd": unused.clone()}
    variance = _variance(inverse, norm)
    aten.native_batch_norm.out(x, norm.weight, norm.bias, mean, variance, False, 0.0, norm.eps, **places)
    return places["out"].relu_()


def _like(x: Tensor, memory: Tensor) -> Tensor:
    """Room for (N, C, H, W), channels last, at the start of some memory."""
    n, c, h, w = x.shape
    return memory[: x.numel()].view(n, h, w, c).permute(0, 3, 1, 2)


def _variance(inverse: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    """The variance, from 1 / √(variance + eps)."""
    return inverse**-2 - norm.eps


def _through_conv(gradient: Tensor, activated: Tensor, conv: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """The gradients of what a convolution's ReLU reads, and of its kernel."""
    kernel, form = conv.weight.to(activated.dtype), (conv.stride, conv.padding, conv.dilation, False, [0, 0], 1)
    g, g_kernel, _ = aten.convolution_backward(gradient, activated, kernel, None, *form, [True, True, False])
    return aten.threshold_backward.grad_input(g, activated, 0, grad_input=g), g_kernel.to(conv.weight.dtype)
