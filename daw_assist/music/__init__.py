"""The words of music: ticks, notes, parts, metres, bars, keys, tempo. Standard library only; every value is frozen."""
