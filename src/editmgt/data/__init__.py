"""What editors learn from and are judged on: rendered scenes, served as pictures or as codes."""
