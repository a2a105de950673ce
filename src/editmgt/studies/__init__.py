"""What makes an ablation: plan every cell, train once, run each, collect, report."""
