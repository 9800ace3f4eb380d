"""Where the bar is: following MIDI clock, JACK, Link, or our own clock."""
