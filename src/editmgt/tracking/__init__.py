"""Where results are logged beside the directory of a run: W&B, or CSV files."""
