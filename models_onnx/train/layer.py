"""The transformer layer of the harmonization networks: attention with rotary positions and feed-forward, with dropout."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_onnx.train.network import rotate


class Norm(nn.RMSNorm):
    """In single precision also under autocast, where the stream may be bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


class Layer(nn.Module):
    """Attention and feed-forward, each behind a norm, each added to its input with dropout."""

    def __init__(self, width: int, head_dim: int, dropout: float) -> None:
        super().__init__()
        self.head_dim, self.dropout = head_dim, dropout
        self.attention_norm = Norm(width)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.feed_norm = Norm(width)
        self.up = nn.Linear(width, 4 * width, bias=False)
        self.down = nn.Linear(4 * width, width, bias=False)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        causal: bool = False,
        past: tuple[Tensor, Tensor] | None = None,
        barred: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x (batch, steps, width); keys and values (batch, heads, past + steps, head_dim) come back for the next call.

        `barred` (batch, 1, steps, steps) is added to the scores.
        """
        batch, steps, width = x.shape
        q, k, v = (
            part.view(batch, steps, -1, self.head_dim).transpose(1, 2)
            for part in self.qkv(self.attention_norm(x)).chunk(3, -1)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if past is not None:
            k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
        drop = self.dropout if self.training else 0.0
        alone = causal and steps > 1
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=barred, is_causal=alone, dropout_p=drop)
        x = x + functional.dropout(self.out(mixed.transpose(1, 2).reshape(batch, steps, width)), drop)
        added = x + functional.dropout(self.down(functional.gelu(self.up(self.feed_norm(x)))), drop)
        return added, (k, v)
