"""The data's way:

    MIDI in -> transport -> context (bars) -> tokens -> model -> tokens -> suggestion -> schedule -> MIDI out

Each station is a folder of that name. `pipeline.py` runs the way without threads, `live.py` in real time.
"""
