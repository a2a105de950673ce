"""Masked-generative image editing: train it, switch its parts off, read what each one does."""
