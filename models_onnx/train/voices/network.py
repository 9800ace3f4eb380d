"""The four-voice network: one transformer position a 16th, and inside the step one cell after the other.

What a position reads is what sounded at the step before (pitches, how long each has held, intervals between the voices
and the last motion of each), where it is in the bar, and what the reader of the given voices says of this step; that
reader looks in both directions. A cell is spoken of in absolute pitch, as a step from the voice's last pitch, and as a
distance in pitch classes from each voice already decided in the step: what holds in one key then holds in every key.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from models_onnx.train.layer import Layer, Norm
from models_onnx.voices_spec import MAX_RUN, ORDER, PHASES, PITCHES, REACH, SYMBOLS, VOICES, VoicesSpec

MAX_STEPS = 2048
_RELATIVE = 2 * REACH + 1
PARTS_OF_CELL = (SYMBOLS, _RELATIVE, 12, 12, 12, 1)
"""What the network of a voice puts out: absolute, from its last pitch, from the other three voices, struck again."""


def rotary_tables(head_dim: int, length: int, base: float = 2_000.0) -> tuple[Tensor, Tensor]:
    """cos and sin, each (length, head_dim / 2)."""
    rates = base ** (-torch.arange(head_dim // 2, dtype=torch.float64) / (head_dim // 2))
    angles = torch.arange(length, dtype=torch.float64)[:, None] * rates
    return angles.cos().float(), angles.sin().float()


class VoicesNetwork(nn.Module):
    """See the module; `dropout` only matters in training."""

    cos: Tensor
    sin: Tensor

    def __init__(self, spec: VoicesSpec, dropout: float = 0.0) -> None:
        super().__init__()
        self.spec, self.dropout = spec, dropout
        width, cell, look = spec.width, spec.cell_width, spec.look_width
        self.cells = nn.ModuleList(nn.Embedding(SYMBOLS + 1, cell) for _ in range(VOICES))
        self.held = nn.ModuleList(nn.Embedding(MAX_RUN + 1, cell) for _ in range(VOICES))
        self.struck = nn.ModuleList(nn.Embedding(3, cell) for _ in range(VOICES))
        self.motion = nn.ModuleList(nn.Embedding(27, cell) for _ in range(VOICES))
        self.above_bass = nn.ModuleList(nn.Embedding(13, cell) for _ in range(VOICES - 1))
        self.phases = nn.ModuleList(nn.Embedding(size, cell) for size in PHASES)
        self.looked = nn.ModuleList(nn.Embedding(SYMBOLS + 1, cell) for _ in range(VOICES))
        self.look_in = nn.Linear((VOICES * 2 + 1) * cell, look, bias=False)
        self.look_layers = nn.ModuleList(Layer(look, spec.head_dim, dropout) for _ in range(spec.look_layers))
        self.look_norm = Norm(look)
        self.read_in = nn.Linear((VOICES * 2 + VOICES) * cell + look, width, bias=False)
        self.layers = nn.ModuleList(Layer(width, spec.head_dim, dropout) for _ in range(spec.layers))
        self.final_norm = Norm(width)
        self.decide = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width + look + (2 * VOICES + 1) * cell, spec.hidden),
                nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(spec.hidden, sum(PARTS_OF_CELL)),
            )
            for _ in range(VOICES)
        )
        cos, sin = rotary_tables(spec.head_dim, MAX_STEPS)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.3)
            elif isinstance(module, Layer):
                nn.init.zeros_(module.out.weight)
                nn.init.zeros_(module.down.weight)
            elif isinstance(module, nn.Linear) and module.out_features == sum(PARTS_OF_CELL):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def look(self, given: Tensor, struck: Tensor, phases: Tensor) -> Tensor:
        """Read the given cells (batch, steps, 4), `UNKNOWN` where not given, and whether they are struck (0 unknown,
        1 held, 2 struck), in both directions: (batch, steps, look_width).
        """
        pieces = [table(given[..., v]) for v, table in enumerate(self.looked)]
        pieces += [table(struck[..., v]) for v, table in enumerate(self.struck)]
        pieces.append(self._where(phases))
        x = self.look_in(torch.cat(pieces, -1))
        steps = given.shape[1]
        for layer in self.look_layers:
            x, _ = layer(x, self.cos[:steps], self.sin[:steps])
        normed: Tensor = self.look_norm(x)
        return normed

    def _where(self, phases: Tensor) -> Tensor:
        found: Tensor = sum(table(phases[..., n]) for n, table in enumerate(self.phases))
        return found

    def read(
        self,
        before: Tensor,
        held: Tensor,
        struck: Tensor,
        motion: Tensor,
        phases: Tensor,
        looked: Tensor,
        past: list[tuple[Tensor, Tensor]] | None = None,
        start: int = 0,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """The trunk at each step from what stood at the step before it: cells `before`, how long each has `held`
        (0..MAX_RUN), whether it was struck, its last `motion` (semitones + 13, clipped to +-13; 13: none yet), all
        (batch, steps, 4); (batch, steps, width) and the keys and values.
        """
        bass = before[..., 3]
        pieces = [
            self.cells[v](before[..., v]) + self.held[v](held[..., v]) + self.struck[v](struck[..., v])
            for v in range(VOICES)
        ]
        pieces += [self.motion[v](motion[..., v]) for v in range(VOICES)]
        for v in range(VOICES - 1):
            both = (before[..., v] < PITCHES) & (bass < PITCHES)
            pieces.append(self.above_bass[v](torch.where(both, (before[..., v] - bass) % 12, 12)))
        pieces += [self._where(phases), looked]
        drop = self.dropout if self.training else 0.0
        x = functional.dropout(self.read_in(torch.cat(pieces, -1)), drop)
        steps = before.shape[1]
        cos, sin = self.cos[start : start + steps], self.sin[start : start + steps]
        kept = []
        for n, layer in enumerate(self.layers):
            x, pair = layer(x, cos, sin, True, past[n] if past is not None else None)
            kept.append(pair)
        return self.final_norm(x), kept

    def cell(
        self, voice: int, trunk: Tensor, looked: Tensor, before: Tensor, held: Tensor, now: Tensor, phases: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (batch, steps, SYMBOLS) of a voice, and the logit of its being struck again if it keeps its pitch.

        `now` (batch, steps, 4) holds what is decided or given in this step, `UNKNOWN` elsewhere; the voice's own is
        not looked at.
        """
        others = [u for u in range(VOICES) if u != voice]
        pieces = [trunk, looked, *(self.cells[u](now[..., u]) for u in others)]
        pieces += [self.cells[u](before[..., u]) for u in range(VOICES)]
        pieces += [self.held[voice](held[..., voice]), self._where(phases)]
        read = functional.dropout(torch.cat(pieces, -1), self.dropout / 2, self.training)
        absolute, steps, *classes, again = self.decide[voice](read).split(PARTS_OF_CELL, -1)
        pitches = torch.arange(PITCHES, device=trunk.device)
        last = before[..., voice, None]
        by_step = steps.gather(-1, (pitches - last).clamp(-REACH, REACH) + REACH)
        relative = torch.where(last < PITCHES, by_step, 0.0)
        for u, by_class in zip(others, classes, strict=True):
            known = now[..., u, None]
            relative = relative + torch.where(known < PITCHES, by_class.gather(-1, (pitches - known) % 12), 0.0)
        return absolute + functional.pad(relative, (0, 1)), again[..., 0]

    def forward(self, inputs: dict[str, Tensor], cells: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher forcing: logits (batch, steps, 4, SYMBOLS) and of being struck again (batch, steps, 4).

        `inputs` as `train.voices.data.inputs_of` makes them; `cells` (batch, steps, 4) the truth, of which each cell
        sees those before it in `ORDER`, and those given.
        """
        phases, given = inputs["phases"], inputs["given"]
        looked = self.look(given, inputs["given_struck"], phases)
        before, held = inputs["before"], inputs["held"]
        trunk, _ = self.read(before, held, inputs["struck"], inputs["motion"], phases, looked)
        logits, again = [trunk] * VOICES, [trunk] * VOICES
        now = given
        for voice in ORDER:
            logits[voice], again[voice] = self.cell(voice, trunk, looked, before, held, now, phases)
            now = torch.cat((now[..., :voice], cells[..., voice : voice + 1], now[..., voice + 1 :]), -1)
        return torch.stack(logits, 2), torch.stack(again, 2)
