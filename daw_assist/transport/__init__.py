"""Where the bar is: following MIDI clock, or our own clock."""
