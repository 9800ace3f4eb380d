"""Adapters to single DAWs. None yet: the ports and the clock work in any."""
