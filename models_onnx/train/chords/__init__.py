"""Training of the chord model: the network, its data, its loop."""
