"""Small backbones and image folders, as the tests of the backbone have them."""

from tests.backbone.conftest import make_table, toy_backbone, toy_checkpoint, toy_weights

__all__ = ["make_table", "toy_backbone", "toy_checkpoint", "toy_weights"]
