"""The embedded world: rendered scenes whose edits have exact ground truth."""

from editmgt.data.scenes.dataset import SPLITS, SceneDataset
from editmgt.data.scenes.edits import EDIT_TYPES

__all__ = ["EDIT_TYPES", "SPLITS", "SceneDataset"]
