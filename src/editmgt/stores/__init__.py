"""Trainings and edits, found by fingerprint: each is made once, by whoever needs it first."""
