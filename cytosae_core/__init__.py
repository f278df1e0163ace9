"""CytoSAE workbench: sparse autoencoders on blood-cell images, and the expert judgement of what they found.

For research use only; not for diagnosis.
"""

__version__ = "0.1.0"
