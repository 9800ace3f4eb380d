"""The chord network: one transformer position a slot.

Offline a position reads the melody of its slot and, where it is given, its chord, and attends to all slots. Live it reads
melody and chord of the slot before and attends to slots up to its own (`chords_inputs.shifted` makes these rows): what it
says of a slot then depends on nothing in that slot. A second head says the bass, as semitones above the root of a chord
that is told to it alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_onnx.chords_spec import LIVE, MELODY_WIDTH, PLACES, ChordsSpec
from models_onnx.train.layer import Layer, Norm

BARRED = -1e9
"""Added to the score of a slot that may not be attended to; finite, so that a row of only such slots has no NaN."""
ROPE_BASE = 500.0


class ChordsNetwork(nn.Module):
    """See the module; `dropout` only matters in training."""

    rates: Tensor

    def __init__(self, spec: ChordsSpec, dropout: float = 0.0) -> None:
        super().__init__()
        self.spec, self.dropout = spec, dropout
        width = spec.width
        self.melody = nn.Sequential(nn.Linear(MELODY_WIDTH, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.places = nn.ModuleList(nn.Embedding(size, width) for size in PLACES.values())
        self.known = nn.Embedding(spec.classes + 1, width)
        self.words = nn.ModuleList(nn.Embedding(size, width) for size in spec.word_sizes)
        self.layers = nn.ModuleList(Layer(width, spec.head_dim, dropout) for _ in range(spec.layers))
        self.final_norm = Norm(width)
        self.decide = nn.Linear(width, spec.classes)
        self.told = nn.Embedding(spec.classes + 1, width)
        self.bass = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 12))
        rates = ROPE_BASE ** (-torch.arange(spec.head_dim // 2, dtype=torch.float32) / (spec.head_dim // 2))
        self.register_buffer("rates", rates, persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.3)
            if isinstance(module, Layer):
                nn.init.zeros_(module.out.weight)
                nn.init.zeros_(module.down.weight)
        nn.init.normal_(self.decide.weight, std=0.02)

    def forward(
        self, melody: Tensor, places: Tensor, known: Tensor, told: Tensor, words: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits of classes (batch, slots, classes) and of the bass above the root (batch, slots, 12).

        `melody` (batch, slots, MELODY_WIDTH), `places` (batch, slots, columns), `known` and `told` classes (batch, slots),
        `words` (batch, 5) as `ChordsSpec.word_sizes`.
        """
        x = self.melody(melody) + self.known(known)
        for n, table in enumerate(self.places):
            x = x + table(places[..., n])
        for n, table in enumerate(self.words):
            x = x + table(words[:, n])[:, None]
        drop = self.dropout if self.training else 0.0
        x = functional.dropout(x, drop)
        at = torch.arange(melody.shape[1], device=melody.device)
        ahead = (words[:, 0] == LIVE)[:, None, None] & (at[None, :] > at[:, None])[None]
        barred = torch.where(ahead | (places[:, :, 0] == 0)[:, None], BARRED, 0.0)[:, None]
        angles = at[:, None] * self.rates
        cos, sin = angles.cos(), angles.sin()
        for layer in self.layers:
            x, _ = layer(x, cos, sin, barred=barred)
        x = functional.dropout(self.final_norm(x), drop)
        return self.decide(x), self.bass(x + self.told(told))
