"""Ablations: plan every cell, train once, edit once, score each, report."""
