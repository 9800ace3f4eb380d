"""Suggestions with their provenance, and the policy of when to ask, play, keep or drop one."""
