"""DINOv2's vision transformer written plainly, after the paper and its published code: the slow obvious twin.

It knows neither timm nor the code under test. A checkpoint is a dict of tensors by DINOv2's names.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Shape:
    d_model: int
    n_blocks: int
    n_heads: int
    grid: int = 16
    is_gated: bool = False
    patch: int = 14
    mlp_width: int | None = None

    @property
    def d_mlp(self):
        return self.mlp_width or 4 * self.d_model


def make_weights(shape, seed):
    """Random weights whose LayerScale, biases and position embedding all matter; the names are DINOv2's."""
    generator = torch.Generator().manual_seed(seed)

    def sample(*size, scale, mean=0.0):
        return mean + scale * torch.randn(*size, generator=generator)

    d = shape.d_model
    weights = {
        "cls_token": sample(1, 1, d, scale=0.5),
        "pos_embed": sample(1, 1 + shape.grid**2, d, scale=0.5),
        "mask_token": sample(1, d, scale=0.5),
        "patch_embed.proj.weight": sample(d, 3, shape.patch, shape.patch, scale=0.03),
        "patch_embed.proj.bias": sample(d, scale=0.1),
        "norm.weight": sample(d, scale=0.3, mean=1.0),
        "norm.bias": sample(d, scale=0.3),
    }
    for index in range(shape.n_blocks):
        weights |= {f"blocks.{index}.{name}": value for name, value in _block(shape, sample).items()}
    return weights


def _block(shape, sample):
    d, m = shape.d_model, shape.d_mlp
    block = {
        "attn.qkv.weight": sample(3 * d, d, scale=d**-0.5),
        "attn.qkv.bias": sample(3 * d, scale=0.1),
        "attn.proj.weight": sample(d, d, scale=d**-0.5),
        "attn.proj.bias": sample(d, scale=0.1),
    }
    for number in (1, 2):
        block[f"norm{number}.weight"] = sample(d, scale=0.2, mean=1.0)
        block[f"norm{number}.bias"] = sample(d, scale=0.2)
        block[f"ls{number}.gamma"] = sample(d, scale=0.1, mean=0.3)
    first, last, factor = ("w12", "w3", 2) if shape.is_gated else ("fc1", "fc2", 1)
    block[f"mlp.{first}.weight"] = sample(factor * m, d, scale=d**-0.5)
    block[f"mlp.{first}.bias"] = sample(factor * m, scale=0.1)
    block[f"mlp.{last}.weight"] = sample(d, m, scale=m**-0.5)
    block[f"mlp.{last}.bias"] = sample(d, scale=0.1)
    return block


def dinobloom_file(weights):
    """The weights as DinoBloom publishes them on Zenodo: a teacher with heads that nobody needs."""
    teacher = {f"backbone.{name}": value for name, value in weights.items()}
    teacher |= {"dino_head.mlp.0.weight": torch.ones(3, 3), "ibot_head.last_layer.weight_v": torch.ones(2, 2)}
    return {"teacher": teacher}


@torch.no_grad()
def residual_stream(weights, shape, images):
    """[(n, 1 + grid^2, d_model) after block 1, 2, ..., n_blocks]."""
    w = weights
    patches = F.conv2d(images, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=shape.patch)
    patches = patches.flatten(2).transpose(1, 2)  # (n, grid^2, d), row by row
    x = torch.cat([w["cls_token"].expand(len(images), -1, -1), patches], dim=1) + w["pos_embed"]
    stream = []
    for index in range(shape.n_blocks):
        block = {k.removeprefix(f"blocks.{index}."): v for k, v in w.items() if k.startswith(f"blocks.{index}.")}
        x = x + block["ls1.gamma"] * _attention(_norm(x, block, "norm1"), block, shape)
        x = x + block["ls2.gamma"] * _mlp(_norm(x, block, "norm2"), block, shape)
        stream.append(x)
    return stream


def _norm(x, block, name):
    mean = x.mean(dim=-1, keepdim=True)
    variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
    return (x - mean) / torch.sqrt(variance + 1e-6) * block[f"{name}.weight"] + block[f"{name}.bias"]


def _attention(x, block, shape):
    n, n_tokens, d = x.shape
    d_head = d // shape.n_heads
    qkv = x @ block["attn.qkv.weight"].T + block["attn.qkv.bias"]
    q, k, v = (part.reshape(n, n_tokens, shape.n_heads, d_head).transpose(1, 2) for part in qkv.split(d, dim=-1))
    weights = torch.softmax(q @ k.transpose(-2, -1) / d_head**0.5, dim=-1)
    out = (weights @ v).transpose(1, 2).reshape(n, n_tokens, d)
    return out @ block["attn.proj.weight"].T + block["attn.proj.bias"]


def _mlp(x, block, shape):
    if shape.is_gated:
        gate, value = (x @ block["mlp.w12.weight"].T + block["mlp.w12.bias"]).chunk(2, dim=-1)
        return (F.silu(gate) * value) @ block["mlp.w3.weight"].T + block["mlp.w3.bias"]
    hidden = F.gelu(x @ block["mlp.fc1.weight"].T + block["mlp.fc1.bias"])
    return hidden @ block["mlp.fc2.weight"].T + block["mlp.fc2.bias"]
