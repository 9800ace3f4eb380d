"""Training of the four-voice model: the network, its data, its loop."""
