"""What has been played: sounding notes, and the last bars as a frozen context."""
