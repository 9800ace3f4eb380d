"""Training, the only place (with export) where torch is imported."""
