"""Hosting of VST3/AU plug-ins and SoundFonts: knows MIDI bytes and seconds, not daw_assist. Its parts come with audio export."""
