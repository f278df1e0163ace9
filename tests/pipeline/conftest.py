"""The demo in small."""

from tests.pipeline.shared import tiny_demo

__all__ = ["tiny_demo"]
