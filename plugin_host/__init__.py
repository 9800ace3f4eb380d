"""Hosting of VST3/AU plug-ins and SoundFonts: knows MIDI bytes and seconds, not daw_assist.

tracks (MIDI bytes at seconds) -> instruments -> effects, gain, pan -> mix -> master -> file
"""
