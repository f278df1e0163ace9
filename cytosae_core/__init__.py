"""CytoSAE workbench: sparse autoencoders on blood-cell images, and the expert judgement of what they found.

For research use only; not for diagnosis.
"""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # whoever uses the library decides what is logged where

__version__ = "0.1.0"
